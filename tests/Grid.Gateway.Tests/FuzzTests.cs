using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Gateway.Tests.Fakes;

namespace Grid.Gateway.Tests;

/// <summary>Whatever is sent, the gateway blames who sent it and goes on.</summary>
public sealed class FuzzTests(GatewayFixture app) : IClassFixture<GatewayFixture>
{
    private const string Sampling = "\"temperature\":1,\"top_p\":1,\"top_k\":0,\"min_p\":0,\"presence_penalty\":0,\"frequency_penalty\":0,\"repetition_penalty\":1,"
        + "\"logit_bias\":{\"5\":1},\"stop\":[\"zz\",\"yy\"],\"stop_token_ids\":[7],\"ignore_eos\":false,\"n\":1";

    private const string OpenAi = Sampling + ",\"model\":\"tiny\",\"seed\":1,\"min_tokens\":0,\"stream\":true,\"stream_options\":{\"include_usage\":true},\"user\":\"u\","
        + "\"metadata\":{\"k\":\"v\"},\"max_tokens\":3,\"cross_check\":false";

    /// <summary>What is put in the place of every value and every name of a good request.</summary>
    private static readonly string[] s_values =
    [
        "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"a\\udfff\"", "\"\\ud83d\\ude00\"", "\"\\u0000\"", "{\"\\ud800\":1}", "{\"type\":\"\\ud800\"}", "[\"\\ud800\"]",
        "[[\"\\udc00\"]]", "null", "-0", "1e999", "18446744073709551616", "[]", "{}", "\"\"",
    ];

    [Theory]
    [InlineData("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}],\"name\":\"n\"}],\"logprobs\":true,"
        + "\"top_logprobs\":1,\"add_generation_prompt\":true,\"chat_template_kwargs\":{\"a\":[{\"b\":\"c\"}]},\"tools\":[],\"tool_choice\":\"none\","
        + "\"response_format\":{\"type\":\"text\"},\"modalities\":[\"text\"]," + OpenAi + "}")]
    [InlineData("/v1/completions", "{\"prompt\":[\"x\",\"y\"],\"logprobs\":1,\"echo\":true,\"best_of\":1,\"add_special_tokens\":true," + OpenAi + "}")]
    [InlineData("/generate", "{\"text\":[\"x\",\"y\"],\"rid\":[\"a\",\"b\"],\"sampling_params\":[{" + Sampling + ",\"max_new_tokens\":3},{}],\"return_logprob\":[true,false],"
        + "\"logprob_start_len\":-1,\"top_logprobs_num\":1,\"return_text_in_logprobs\":true,\"stream\":false,\"model\":\"tiny\"}")]
    public async Task No_value_and_no_name_makes_it_fail(string path, string json)
    {
        foreach (string body in Mutations(json).Prepend(json))
        {
            using var response = await app.Gateway.SendAsync(path, body);
            string text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            Assert.True((int)response.StatusCode is 200 or 400 or 404, $"{response.StatusCode} {text}\n{body}");
            Assert.True(response.IsSuccessStatusCode || JsonNode.Parse(text)!["error"]!["message"] is not null, text);
            Assert.DoesNotContain("internal_error", text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("Transfer-Encoding: chunked", "FFFFFFFF0\r\n{}\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked", "7FFFFFFF\r\n{}\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked", "80000000\r\n{}\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked", "FFFFFFFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked", "-2\r\n{}\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked", "0x2\r\n{}\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked", "\r\n{}\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked", "2\n{}\n0\n\n")]
    [InlineData("Transfer-Encoding: chunked", "2\r\n{}0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked", "2\r\n{}\r\n0\r\nX: \0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked", "2;a=\"\u00e9\r\n{}\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\nContent-Length: 2", "2\r\n{}\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: gzip", "{}")]
    [InlineData("Transfer-Encoding: gzip, chunked", "2\r\n{}\r\n0\r\n\r\n")]
    [InlineData("Content-Length: -1", "{}")]
    [InlineData("Content-Length: +2", "{}")]
    [InlineData("Content-Length: 2, 2", "{}")]
    [InlineData("Content-Length: 99999999999999999999", "{}")]
    [InlineData("Content-Length: 9223372036854775807", "{}")]
    [InlineData("Content-Length: 20", "{}")]
    public async Task No_framing_makes_it_fail(string headers, string body)
    {
        var token = TestContext.Current.CancellationToken;
        var address = app.Gateway.Client.BaseAddress!;
        using var client = new TcpClient();
        await client.ConnectAsync(address.Host, address.Port, token);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(
            $"POST /generate HTTP/1.1\r\nHost: {address.Authority}\r\nContent-Type: application/json\r\n{headers}\r\n\r\n{body}"), token);
        client.Client.Shutdown(SocketShutdown.Send);
        using var reader = new StreamReader(stream, Encoding.Latin1);
        string answer;
        try
        {
            answer = await reader.ReadToEndAsync(token);
        }
        catch (IOException)
        {
            answer = ""; // Cut off.
        }
        Assert.Matches("^(HTTP/1.1 (4[0-9][0-9]|501) |$)", answer.Split("\r\n")[0]);
        Assert.Equal("ok\n", await app.Gateway.Client.GetStringAsync("/livez", token));
    }

    private static IEnumerable<string> Mutations(string json)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(json);
        foreach (var (start, end, isName) in Places(utf8))
        {
            foreach (string value in isName ? s_values.Where(value => value[0] == '"') : s_values)
            {
                yield return json[..start] + value + json[end..];
            }
        }
    }

    /// <summary>Where names and simple values begin and end; all of it is ASCII.</summary>
    private static List<(int Start, int End, bool IsName)> Places(byte[] utf8)
    {
        var places = new List<(int, int, bool)>();
        var reader = new Utf8JsonReader(utf8);
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.PropertyName or JsonTokenType.String or JsonTokenType.Number or JsonTokenType.True or JsonTokenType.False)
            {
                int quotes = reader.TokenType is JsonTokenType.PropertyName or JsonTokenType.String ? 2 : 0;
                int start = (int)reader.TokenStartIndex;
                places.Add((start, start + reader.ValueSpan.Length + quotes, reader.TokenType == JsonTokenType.PropertyName));
            }
        }
        return places;
    }
}
