using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text;
using Grid.Cluster.Tests.Support;

namespace Grid.Cluster.Tests;

/// <summary>A node with little memory, and clients that send it as much as they can in few requests.</summary>
public sealed class FloodTests(ITestOutputHelper output)
{
    private const int Streams = 40;

    /// <summary>Bytes of the managed heap at most, in hexadecimal: 512 MiB.</summary>
    private const string Memory = "20000000";

    [Fact]
    public async Task A_few_large_requests_neither_end_a_small_node_nor_cut_or_change_a_stream_of_another_client()
    {
        await using var node = NodeProcess.Silo(new Dictionary<string, string> { ["DOTNET_GCHeapHardLimit"] = Memory }, TestCluster.SmallModel);
        await node.ServesAsync();
        string[] undisturbed = await StreamAllAsync(node);
        foreach (var (name, path, clients, body) in Shapes())
        {
            using var over = new CancellationTokenSource();
            var pings = PingAsync(node, over.Token);
            var statuses = FloodAsync(node, path, body, clients);
            do
            {
                Assert.Equal(undisturbed, await StreamAllAsync(node));
                Assert.False(node.HasEnded, $"{name} ended the node:\n{node.Output}");
            }
            while (!statuses.IsCompleted);
            var counted = (await statuses).CountBy(status => status).OrderBy(count => count.Key).Select(count => $"{count.Value} times {count.Key}");
            await over.CancelAsync();
            output.WriteLine($"{name}, {clients} clients, {body.Length / 1024} KiB: {string.Join(", ", counted)}; /livez took {(await pings).TotalMilliseconds:F0} ms at worst");
            Assert.DoesNotContain(await statuses, status => status >= 500 && status != 503);
        }
        Assert.Equal(undisturbed, await StreamAllAsync(node));
    }

    /// <summary>Requests that would take a multiple of their size.</summary>
    private static IEnumerable<(string Name, string Path, int Clients, byte[] Body)> Shapes()
    {
        const string Completions = "/v1/completions";
        yield return ("A long stop string for eight answers", Completions, 12, Utf8($"{{\"prompt\":\"a\",\"max_tokens\":300,\"n\":8,\"stop\":\"{Cjk(1_000_000)}\"}}"));
        yield return ("Long stop strings", Completions, 40, Utf8($"{{\"prompt\":\"a\",\"max_tokens\":300,\"stop\":[\"{Cjk(300_000)}\",\"{Cjk(300_000)}\"]}}"));
        yield return ("A long name for each of many texts", "/generate", 8,
            Utf8($"{{\"text\":[{Repeat("\"a\"", 1000)}],\"rid\":\"{new string('r', 5 << 20)}\",\"sampling_params\":{{\"max_new_tokens\":1}}}}"));
        yield return ("A long name in each event", "/generate", 8,
            Utf8($"{{\"text\":\"a\",\"rid\":\"{new string('r', 1 << 20)}\",\"stream\":true,\"sampling_params\":{{\"max_new_tokens\":60}}}}"));
        yield return ("Streams that are kept", Completions, 40, Utf8(
            $"{{\"prompt\":\"a\",\"max_tokens\":1,\"n\":16,\"stream\":true,\"logit_bias\":{{{string.Join(',', Enumerable.Range(0, 250).Select(i => $"\"{i}\":-0.123"))}}},"
            + $"\"stop\":[{Repeat($"\"{new string('z', 1000)}\"", 4)}]}}"));
        yield return ("A body that is too large", Completions, 8, Utf8($"{{\"prompt\":\"{new string('a', 15 << 20)}\"}}"));

        // As large as such a node reads at all.
        const int Bytes = 5 << 20;
        yield return ("A long prompt", Completions, 8, Utf8($"{{\"prompt\":\"{new string('a', Bytes)}\",\"max_tokens\":1}}"));
        yield return ("Many prompts", Completions, 8, Utf8($"{{\"prompt\":[{Repeat("\"a\"", Bytes / 4)}],\"max_tokens\":1}}"));
        yield return ("Many token ids", "/generate", 8, Utf8($"{{\"input_ids\":[{Repeat("1", Bytes / 2)}]}}"));
        yield return ("A long message", "/v1/chat/completions", 8, Utf8($"{{\"messages\":[{{\"role\":\"user\",\"content\":\"{new string('a', Bytes)}\"}}],\"max_tokens\":1}}"));
        yield return ("Many messages", "/v1/chat/completions", 8, Utf8($"{{\"messages\":[{Repeat("{\"role\":\"user\",\"content\":\"a\"}", Bytes / 30)}],\"max_tokens\":1}}"));
        yield return ("Many text parts", "/v1/chat/completions", 8,
            Utf8($"{{\"messages\":[{{\"role\":\"user\",\"content\":[{Repeat("{\"type\":\"text\",\"text\":\"a\"}", Bytes / 27)}]}}],\"max_tokens\":1}}"));
        yield return ("Large template variables", "/v1/chat/completions", 8, Utf8(
            $"{{\"messages\":[{{\"role\":\"user\",\"content\":\"a\"}}],\"max_tokens\":1,\"chat_template_kwargs\":{{\"a\":[{Repeat("{}", Bytes / 3)}]}}}}"));
        yield return ("Many fields", Completions, 8, Utf8($"{{{string.Join(',', Enumerable.Range(0, Bytes / 12).Select(i => $"\"{i:x6}\":1"))}}}"));
    }

    private static byte[] Utf8(string body) => Encoding.UTF8.GetBytes(body);

    private static string Cjk(int characters) => string.Create(characters, 0, (text, _) =>
    {
        for (int i = 0; i < text.Length; i++)
        {
            text[i] = (char)(0x4E00 + (i * 7919 % 20000));
        }
    });

    private static string Repeat(string item, int times) => string.Join(',', Enumerable.Repeat(item, times));

    /// <summary>What streams that differ in their seeds tell, each to its end.</summary>
    private static Task<string[]> StreamAllAsync(NodeProcess node)
    {
        var client = new ReturningClient(() => [node]);
        return Task.WhenAll(Enumerable.Range(0, Streams).Select(async seed =>
        {
            var reading = await client.ReadAsync("/v1/completions", $"{{\"prompt\":\"The dog\",\"seed\":{seed},\"max_tokens\":25,\"logprobs\":1,\"ignore_eos\":true,\"stream\":true}}");
            Assert.Empty(reading.Returns);
            return reading.Told;
        }));
    }

    /// <summary>The status codes that clients get who all send the same at once; 0 where the node took no more of it.</summary>
    private static async Task<int[]> FloodAsync(NodeProcess node, string path, byte[] body, int clients) =>
        await Task.WhenAll(Enumerable.Range(0, clients).Select(async _ =>
        {
            using var content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
            try
            {
                using var answer = await node.Client.PostAsync(path, content);
                return (int)answer.StatusCode;
            }
            catch (HttpRequestException)
            {
                return 0;
            }
        }));

    /// <summary>Asks again and again whether the node lives; gives the longest wait for an answer.</summary>
    private static async Task<TimeSpan> PingAsync(NodeProcess node, CancellationToken over)
    {
        var worst = TimeSpan.Zero;
        while (!over.IsCancellationRequested)
        {
            long asked = Stopwatch.GetTimestamp();
            Assert.Equal("ok\n", await node.Client.GetStringAsync("/livez", CancellationToken.None));
            var took = Stopwatch.GetElapsedTime(asked);
            worst = took > worst ? took : worst;
            await Task.Delay(20, CancellationToken.None);
        }

        return worst;
    }
}
