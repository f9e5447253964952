using System.Text;
using System.Text.Json.Nodes;
using Grid.Cli.Audit;
using Grid.Options;
using Microsoft.Extensions.Configuration;

namespace Grid.Cli.Tests;

/// <summary>"grid audit" and "grid replay".</summary>
[Collection(nameof(FaultyNode))]
public sealed class AuditTests(FaultyNode node)
{
    private const int Tokens = 12;

    [Fact]
    public async Task Receipts_are_verified_and_what_is_wrong_in_one_is_named_with_its_place()
    {
        var receipts = (await Task.WhenAll(Enumerable.Range(0, 20).Select(AskAsync))).Select(answer => answer.Receipt).ToList();
        string lines = Path.GetTempFileName(), list = Path.GetTempFileName();
        try
        {
            await File.WriteAllLinesAsync(lines, receipts.Select(receipt => receipt.ToJsonString()));
            var (code, output, error) = await Tool.RunAsync("audit", lines, "--url", node.Url);
            Assert.True(code == 0, output + error);
            Assert.StartsWith($"20 receipts: 20 verified, 0 refuted, 0 not checked; {20 * Tokens} tokens in ", output, StringComparison.Ordinal);

            int right = (int)receipts[1]["tokens"]![7]!;
            receipts[1]["tokens"]![7] = right == 5 ? 6 : 5;
            receipts[2]["system_fingerprint"] = "grid-1-other";
            await File.WriteAllTextAsync(list, $"[{string.Join(',', receipts.Take(3).Select(receipt => receipt.ToJsonString()))},7]");
            (code, output, _) = await Tool.RunAsync("audit", list, lines, "--url", node.Url);
            Assert.Equal(1, code);
            Assert.Contains($"{list}[1]: REFUTED: position 7, token: {(right == 5 ? 6 : 5)} expected, {right} found\n", output, StringComparison.Ordinal);
            Assert.Contains($"{list}[2]: not checked: {node.Url}/v1/verify answered 409: ", output, StringComparison.Ordinal);
            Assert.Contains($"{list}[3]: not checked: is no receipt: ", output, StringComparison.Ordinal);
            Assert.Contains("24 receipts: 21 verified, 1 refuted, 2 not checked; ", output, StringComparison.Ordinal);

            (code, output, _) = await Tool.RunAsync("audit", lines, "--url", node.Url, "--signed-by", "ab");
            Assert.Equal(1, code);
            Assert.Contains($"{lines}:20: REFUTED: signature: of ab expected, none found\n", output, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(lines);
            File.Delete(list);
        }
    }

    [Fact]
    public async Task An_answer_is_replayed_and_one_that_is_not_kept_is_said_to_be_so()
    {
        var (id, _) = await AskAsync(100);
        var (code, output, error) = await Tool.RunAsync("replay", id, "--url", node.Url);
        Assert.True(code == 0, output + error);
        Assert.Equal($"{id}: the same, {Tokens} tokens and their logits.\n", output);
        (code, _, error) = await Tool.RunAsync("replay", new string('0', 32), "--url", node.Url);
        Assert.Equal(2, code);
        Assert.StartsWith($"grid: {new string('0', 32)} was not replayed: ", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Misuse_is_a_sentence_and_exit_code_2()
    {
        using var signals = new StopSignals("grid");
        async Task RefusedAsync(string sentence, Func<Task> run)
        {
            var refusal = await Assert.ThrowsAsync<StartException>(run);
            Assert.Equal(2, refusal.ExitCode);
            Assert.StartsWith(sentence, refusal.Message, StringComparison.Ordinal);
        }

        var none = new ConfigurationBuilder().Build();
        await RefusedAsync("name at least one file of receipts", () => AuditCommand.RunAsync(AuditCommand.Program.Read(["audit"], none), signals));
        await RefusedAsync("'/nowhere/at/all' cannot be read", () => AuditCommand.RunAsync(AuditCommand.Program.Read(["audit", "/nowhere/at/all"], none), signals));
        await RefusedAsync("--wroker is not an option of grid audit; did you mean --worker?", () => Task.FromResult(AuditCommand.Program.Read(["audit", "file", "--wroker", "x"], none)));
        await RefusedAsync("name one answer by its X-Sequence-Id", () => ReplayCommand.RunAsync(ReplayCommand.Program.Read(["replay", "a", "b"], none), signals));
    }

    /// <summary>A sampled answer of the node's, with its receipt.</summary>
    private async Task<(string Id, JsonNode Receipt)> AskAsync(int seed)
    {
        using var client = new HttpClient();
        string body = $"{{\"text\":\"Once\",\"receipt\":true,\"sampling_params\":{{\"temperature\":0.8,\"sampling_seed\":{seed},\"max_new_tokens\":{Tokens},\"ignore_eos\":true}}}}";
        using var response = await client.PostAsync($"{node.Url}/generate", new StringContent(body, Encoding.UTF8, "application/json"));
        string answer = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, answer);
        return (response.Headers.GetValues("X-Sequence-Id").Single(), JsonNode.Parse(answer)!["meta_info"]!["receipt"]!);
    }
}
