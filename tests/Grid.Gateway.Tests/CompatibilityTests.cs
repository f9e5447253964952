using System.Text.Json;
using System.Text.RegularExpressions;
using Grid.Gateway.Requests;
using Grid.Gateway.Tests.Fakes;
using Grid.Options;
using Grid.Silo;
using Microsoft.Extensions.Configuration;

namespace Grid.Gateway.Tests;

/// <summary>gateway/COMPATIBILITY.md says what the code does, row by row, and leaves out no name that the code knows.</summary>
public sealed partial class CompatibilityTests(GatewayFixture app) : IClassFixture<GatewayFixture>
{
    private const string Endpoints = "Endpoints";
    private const string Both = "Fields of both OpenAI endpoints";
    private const string Chat = "Fields of `/v1/chat/completions`";
    private const string Completions = "Fields of `/v1/completions`";
    private const string Generate = "Fields of `/generate`";
    private const string Sampling = "Fields of `/generate`'s `sampling_params`";
    private const string Control = "Fields of trainers' endpoints";
    private const string Flags = "Flags of launch lines";

    /// <summary>A value that no field of any type may have.</summary>
    private const string Wrong = "1e20";

    private static readonly Dictionary<string, Row[]> s_tables = Read();

    public static TheoryData<string, string, string, string> Fields()
    {
        var data = new TheoryData<string, string, string, string>();
        foreach (var (section, path) in new[] { (Both, "/v1/chat/completions"), (Both, "/v1/completions"), (Chat, "/v1/chat/completions"), (Completions, "/v1/completions"), (Generate, "/generate"), (Sampling, "/generate") })
        {
            foreach (var row in s_tables[section])
            {
                data.Add(path, row.Name, row.Here, section == Sampling ? $"\"sampling_params\":{{{row.Example}}}" : row.Example!);
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Fields))]
    public async Task A_field_is_what_its_row_says(string path, string name, string here, string example)
    {
        string body = Body(path, example);
        app.Gateway.Grid.Started.Clear();
        using var response = await app.Gateway.SendAsync(path, body);
        string text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        switch (here)
        {
            case "honoured":
                Assert.True(response.IsSuccessStatusCode, text);
                Assert.DoesNotContain("\"error\":", text, StringComparison.Ordinal);
                // It is read, and not let through whatever it holds.
                var (status, error) = await app.Gateway.PostAsync(path, Replaced(body, name));
                Assert.True(status is 400, error.ToJsonString());
                Assert.Contains($"\"param\":\"{(example.StartsWith("\"sampling_params\":", StringComparison.Ordinal) && name != "sampling_params" ? "sampling_params." : "")}{name}", error.ToJsonString(), StringComparison.Ordinal);
                Assert.DoesNotContain("_parameter", (string)error["error"]!["code"]!, StringComparison.Ordinal);
                break;
            case "nothing":
                Assert.True(response.IsSuccessStatusCode, text);
                await app.Gateway.OkAsync(path, Body(path, ""));
                var specs = app.Gateway.Grid.Started.Select(spec => JsonSerializer.Serialize(spec with { Generation = spec.Generation with { Sampling = spec.Generation.Sampling with { Seed = 0 } } }));
                Assert.Single(specs.Distinct());
                break;
            default:
                Assert.Equal("refused", here);
                Assert.Equal(400, (int)response.StatusCode);
                Assert.Contains("\"code\":\"unsupported_parameter\"", text, StringComparison.Ordinal);
                Assert.Contains($"{name}\"", text, StringComparison.Ordinal);
                break;
        }
    }

    [Fact]
    public async Task An_endpoint_is_there_or_is_not()
    {
        foreach (var row in s_tables[Endpoints])
        {
            string[] call = row.Name.Split(' ');
            using var request = new HttpRequestMessage(new HttpMethod(call[0]), call[1]);
            using var response = await app.Gateway.Client.SendAsync(request, TestContext.Current.CancellationToken);
            string text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            bool isRefused = text.Contains("unknown_url", StringComparison.Ordinal) || text.Contains("unsupported_endpoint", StringComparison.Ordinal);
            Assert.True(isRefused == (row.Here == "refused"), $"{row.Name} {text}");
            Assert.NotEqual(405, (int)response.StatusCode);
        }
    }

    [Fact]
    public async Task A_field_of_a_trainers_endpoint_is_what_its_row_says()
    {
        foreach (var row in s_tables[Control])
        {
            string[] call = row.Example!.Split(' ', 2);
            var (status, body) = await SendAsync(call[0], call[1]);
            Assert.True(status == (row.Here == "refused" ? 400 : 200), $"{row.Example} {body}");
            var (wrong, error) = await SendAsync(call[0], Replaced(call[1], row.Name));
            Assert.Equal(400, wrong);
            Assert.Contains($"\"param\":\"{row.Name}\"", error, StringComparison.Ordinal);
            Assert.True(error.Contains("unsupported_parameter", StringComparison.Ordinal) == (row.Here != "honoured"), error);
        }

        async Task<(int Status, string Body)> SendAsync(string path, string json)
        {
            using var response = await app.Gateway.SendAsync(path, json);
            return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        }
    }

    [Fact]
    public void A_flag_is_what_its_row_says()
    {
        var nothing = new ConfigurationBuilder().Build();
        foreach (var row in s_tables[Flags])
        {
            string[] args = row.Example!.Split(' ');
            if (row.Here == "refused")
            {
                Assert.Contains(row.Name, Assert.Throws<StartException>(() => GridNode.Program.Read(args, nothing)).Message, StringComparison.Ordinal);
            }
            else
            {
                GridNode.Program.Read(args, nothing);
            }
        }
    }

    /// <summary>What the parsers take or name, the tables name.</summary>
    [Fact]
    public void No_name_that_the_code_knows_is_left_out()
    {
        string[] sources = [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Requests"), "*.cs").Select(File.ReadAllText)];
        string[] taken = [.. sources.SelectMany(source => Taken().Matches(source)).Select(match => match.Groups[1].Value)];
        string[] unsupported = [.. OpenAiFields.Unsupported, .. ChatRequest.Unsupported, .. CompletionRequest.Unsupported, .. GenerateRequest.Unsupported, .. GenerateRequest.UnsupportedSampling];
        Assert.True(taken.Length > 40);
        string[] named = [.. s_tables.Values.SelectMany(rows => rows).SelectMany(row => Names().Matches(row.Example ?? "").Select(match => match.Groups[1].Value).Append(row.Name))];
        Assert.Empty(taken.Concat(unsupported.Select(field => field.Split(": ")[0])).Distinct().Except(named));
    }

    private static string Body(string path, string example)
    {
        var (field, value) = path switch
        {
            "/v1/chat/completions" => ("messages", "[{\"role\":\"user\",\"content\":\"x\"}]"),
            "/v1/completions" => ("prompt", "\"x\""),
            _ => ("text", "\"x\""),
        };
        bool isWhole = Names().Matches(example).Any(match => match.Groups[1].Value is var name && (name == field || name is "input_ids"));
        return isWhole ? $"{{{example}}}" : $"{{\"{field}\":{value}{(example.Length > 0 ? "," : "")}{example}}}";
    }

    /// <summary>The body with the last value of a name replaced by one that cannot be right.</summary>
    private static string Replaced(string body, string name)
    {
        var reader = new Utf8JsonReader(System.Text.Encoding.UTF8.GetBytes(body));
        var (start, end) = (0, 0);
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals(name) && end == 0)
            {
                reader.Read();
                start = (int)reader.TokenStartIndex;
                reader.Skip();
                end = (int)reader.BytesConsumed;
            }
        }
        return body[..start] + Wrong + body[end..];
    }

    private static Dictionary<string, Row[]> Read()
    {
        string[] sections = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "COMPATIBILITY.md")).Split("\n## ")[1..];
        return sections.ToDictionary(section => section.Split('\n')[0], section => section.Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal))
            .Select(line => line.Trim('|', ' ').Split(" | ")).Select(cells => new Row(cells[0].Trim('`'), cells[2], cells.Length > 3 ? cells[3].Trim('`') : null)).ToArray());
    }

    [GeneratedRegex("\\b(?:Take|TakeGiven|Require)\\(\"([a-z_]+)\"")]
    private static partial Regex Taken();

    [GeneratedRegex("\"([a-z_]+)\":")]
    private static partial Regex Names();

    private sealed record Row(string Name, string Here, string? Example);
}
