using Grid.Gateway;
using Microsoft.Extensions.Options;

namespace Grid.Silo.Startup;

/// <summary>What a node says once it serves.</summary>
internal static class Banner
{
    /// <summary>Where it listens, what its bits depend on, and lines to try.</summary>
    /// <param name="output">Where to write.</param>
    /// <param name="node">The node.</param>
    /// <param name="examples">Whether a person reads it, and no program.</param>
    public static void Write(TextWriter output, GridNode node, bool examples = true)
    {
        // 0.0.0.0 listens everywhere and can be called nowhere.
        string host = node.Address.Host is "127.0.0.1" or "0.0.0.0" or "[::]" or "[::1]" ? "localhost" : node.Address.Host;
        string url = $"{node.Address.Scheme}://{host}:{node.Address.Port}";
        var model = node.Workers[0].Model;
        output.WriteLine();
        output.WriteLine($"Ready: {url}");
        output.WriteLine($"        {model.ModelId}, fingerprint {model.NumericsId}: with it, equal requests and seeds give equal bits");
        if (examples)
        {
            var access = node.Services.GetRequiredService<IOptions<GatewayOptions>>().Value.Access;
            string key = access.ApiKey is null && access.ApiKeyFile is null ? "" : "-H \"Authorization: Bearer $GRID_API_KEY\" ";
            WriteExamples(output, url, key, model.ModelId, model.Text.Files.Length > 0);
            WriteVerification(output, url, onCpu: node.Workers.All(worker => worker.Model.Device.StartsWith("cpu", StringComparison.Ordinal)));
        }

        output.Flush();
    }

    private static void WriteExamples(TextWriter output, string url, string key, string model, bool hasTokenizer)
    {
        string once = hasTokenizer
            ? Curl(key, $"{url}/v1/chat/completions", $$"""{"model":"{{model}}","seed":7,"max_tokens":200,"messages":[{"role":"user","content":"Tell me a short story."}]}""") + """ | grep -o '"content":.*"finish_reason"'"""
            : Curl(key, $"{url}/generate", """{"input_ids":[1,2,3],"sampling_params":{"sampling_seed":7,"max_new_tokens":32}}""") + """ | grep -o '"output_ids":[^]]*]'""";
        string other = hasTokenizer
            ? Curl($"-o /dev/null {key}", $"{url}/v1/completions", $$"""{"model":"{{model}}","seed":@,"max_tokens":500,"prompt":"Once"}""")
            : Curl($"-o /dev/null {key}", $"{url}/generate", """{"input_ids":[4,5,6],"sampling_params":{"sampling_seed":@,"max_new_tokens":500}}""");
        output.WriteLine();
        output.WriteLine("Run it twice: the same bytes.");
        output.WriteLine($"  {once}");
        output.WriteLine("The same again, among 32 others:");
        output.WriteLine($"  (seq 32 | xargs -P 32 -I@ {other} &); {once}");
    }

    private static void WriteVerification(TextWriter output, string url, bool onCpu)
    {
        // On a CPU the tool's own numbers, which are the field's, take an hour.
        string less = onCpu ? " --trials 8 --max-new-tokens 32 --long-prompt 600" : "";
        output.WriteLine("In every company there is (from a checkout, grid is 'dotnet run --project src/Grid.Cli --'):");
        output.WriteLine($"  grid verify --url {url}{less}");
        output.WriteLine();
        output.WriteLine("--help lists the options, Ctrl+C ends.");
    }

    private static string Curl(string options, string url, string body) => $"curl -s {options}{url} -H 'Content-Type: application/json' -d '{body}'";
}
