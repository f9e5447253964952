using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Grid.Benchmarks.Claims;

/// <summary>
/// "claims": a running server gives the same ids and logprobs, by bytes, alone, in a crowd, out of its prefix cache, and from two
/// workers at once. With a file of answers also what other servers gave: with another chunk size, too few pages, another device.
/// </summary>
internal sealed class ClaimsCommand(ClaimsOptions options, HttpClient client)
{
    private readonly ClaimedRequests _requests = new(options);

    /// <summary>Runs it; the exit code is 1 when an answer differs or a request failed.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        ClaimsOptions options;
        try
        {
            options = ClaimsOptions.Parse(args);
        }
        catch (FormatException exception)
        {
            await Console.Error.WriteLineAsync(exception.Message);
            return 2;
        }

        using var handler = new SocketsHttpHandler { MaxConnectionsPerServer = int.MaxValue, UseProxy = false };
        using var client = new HttpClient(handler) { BaseAddress = options.Url, Timeout = options.Timeout };
        try
        {
            return await new ClaimsCommand(options, client).RunAsync() ? 0 : 1;
        }
        catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException)
        {
            await Console.Error.WriteLineAsync(exception.Message);
            return 1;
        }
    }

    private async Task<bool> RunAsync()
    {
        string[]? expected = options.Answers is { } file && File.Exists(file) ? await File.ReadAllLinesAsync(file) : null;
        if (expected is not null && expected.Length != options.Requests)
        {
            throw new HttpRequestException($"{options.Answers} has {expected.Length} answers; --requests is {options.Requests}.");
        }

        Console.WriteLine("round     answers      ids   logprobs   differing   digest             tokens of each worker; of prompts cached; preemptions");
        int differing = 0;
        for (int round = 0; round < options.Rounds.Count; round++)
        {
            string name = options.Rounds[round];
            var before = await LoadsAsync();
            var answers = await RunAsync(name, round);
            await Task.Delay(TimeSpan.FromSeconds(1)); // Loads come with heartbeats.
            int differ = expected is null ? 0 : answers.Where((answer, i) => answer.Text != expected[i]).Count();
            string shown = expected is null ? "(first)" : Line($"{differ}");
            Console.WriteLine(Line($"{name,-8}  {answers.Length,7}  {answers.Sum(one => one.Ids),7}   {answers.Sum(one => one.Logprobs),8}   {shown,9}   {Digest(answers)}   {Describe(before, await LoadsAsync())}"));
            differing += differ;
            if (expected is null)
            {
                expected = [.. answers.Select(answer => answer.Text)];
                await SaveAsync(expected);
            }
        }

        return differing == 0;
    }

    private async Task<ClaimedAnswer[]> RunAsync(string name, int round)
    {
        if (name == "alone")
        {
            var answers = new ClaimedAnswer[options.Requests];
            for (int i = 0; i < answers.Length; i++)
            {
                await SendAsync("flush_cache", "");
                answers[i] = await AskAsync(i, crossCheck: false);
            }

            return answers;
        }

        if (name != "cached")
        {
            await SendAsync("flush_cache", "");
        }

        Task[] others = name == "crowd" ? [.. Enumerable.Range(0, options.Crowd).Select(i => SendAsync("generate", _requests.Other(round, i)))] : [];
        var compared = await Task.WhenAll(Enumerable.Range(0, options.Requests).Select(i => AskAsync(i, name == "checked")));
        await Task.WhenAll(others);
        return compared;
    }

    /// <summary>The first 64 bits of a SHA-256 over all of them.</summary>
    private static string Digest(ClaimedAnswer[] answers) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Join('\n', answers.Select(answer => answer.Text)))))[..16];

    private Task SaveAsync(string[] answers) => options.Answers is { } file ? File.WriteAllLinesAsync(file, answers) : Task.CompletedTask;

    private async Task<ClaimedAnswer> AskAsync(int i, bool crossCheck) => ClaimedAnswer.Read(await SendAsync("generate", _requests.Compared(i, crossCheck)));

    private async Task<string> SendAsync(string path, string body)
    {
        using var content = new ByteArrayContent(Encoding.ASCII.GetBytes(body));
        if (body.Length > 0)
        {
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }

        using var response = await client.PostAsync(new Uri(path, UriKind.Relative), content);
        string answer = await response.Content.ReadAsStringAsync();
        return response.IsSuccessStatusCode ? answer : throw new HttpRequestException($"/{path} answered {(int)response.StatusCode}: {answer}");
    }

    /// <summary>Each worker's load as the server tells it, by the worker's key.</summary>
    private async Task<SortedDictionary<string, JsonNode>> LoadsAsync()
    {
        var grid = JsonNode.Parse(await client.GetStringAsync(new Uri("v1/grid", UriKind.Relative)))!;
        return new(grid["workers"]!.AsArray().ToDictionary(worker => (string)worker!["id"]!, worker => worker!["load"]!), StringComparer.Ordinal);
    }

    private static string Describe(SortedDictionary<string, JsonNode> before, SortedDictionary<string, JsonNode> after)
    {
        long Since(string worker, string field) => (long)after[worker][field]! - (before.TryGetValue(worker, out var load) ? (long)load[field]! : 0);
        return string.Join(", ", after.Keys.Select(worker => Line($"{worker[(worker.LastIndexOf('/') + 1)..]} {Since(worker, "generated_tokens")}")))
            + Line($"; {after.Keys.Sum(worker => Since(worker, "cached_prompt_tokens"))}; {after.Keys.Sum(worker => Since(worker, "preemptions"))}");
    }

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
