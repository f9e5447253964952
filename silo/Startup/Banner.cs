namespace Grid.Silo.Startup;

/// <summary>What a node says once it serves.</summary>
internal static class Banner
{
    /// <summary>Where it listens, and a line to try.</summary>
    public static void Write(TextWriter output, GridNode node)
    {
        // 0.0.0.0 listens everywhere and can be called nowhere.
        string host = node.Address.Host is "127.0.0.1" or "0.0.0.0" or "[::]" or "[::1]" ? "localhost" : node.Address.Host;
        string url = $"http://{host}:{node.Address.Port}";
        (string path, string body) = node.Workers[0].Model.Text.Files.Length > 0
            ? ("/v1/chat/completions", $$"""{"model":"{{node.Workers[0].Model.ModelId}}","stream":true,"messages":[{"role":"user","content":"Tell me a short story."}]}""")
            : ("/generate", """{"input_ids":[1,2,3],"stream":true,"sampling_params":{"max_new_tokens":32}}""");
        output.WriteLine();
        output.WriteLine($"Ready: {url}");
        output.WriteLine();
        output.WriteLine("Try it:");
        output.WriteLine($"  curl -N {url}{path} -H 'Content-Type: application/json' -d '{body}'");
        output.WriteLine();
        output.WriteLine("README.md says more, --help lists the options, Ctrl+C ends.");
        output.Flush();
    }
}
