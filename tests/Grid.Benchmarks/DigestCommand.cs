using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using System.Security.Cryptography;
using Grid.Cpu;
using Grid.Engine;
using Grid.Models;
using Grid.Numerics;

namespace Grid.Benchmarks;

/// <summary>
/// Prints one digest of tokens and logprobs of a few sequences on the demo model. The same on every machine, and with
/// every setting of the runtime's instruction-set switches (DOTNET_EnableAVX2=0, ...), or the contract is broken.
/// </summary>
internal static class DigestCommand
{
    public static void Run()
    {
        using var operations = new CpuOperations(new CpuOptions());
        using var loaded = ModelLoader.Load(DemoModel.Path, operations, new ModelLoadOptions());
        var engine = new InferenceEngine(loaded.Model, operations, new EngineOptions { KvPages = 16, PrefillChunkTokens = 20 });
        int[] prompts = [5, 66];
        for (int s = 0; s < prompts.Length; s++)
        {
            engine.TrySubmit(new SequenceRequest
            {
                Id = new SequenceId(new Guid(s, 0, 0, new byte[8]), 0),
                PromptIds = [.. Enumerable.Range(0, prompts[s]).Select(i => ((i * 37) + (s * 101)) % 4000)],
                Sampling = new SamplingParameters { Temperature = s * 0.8f, TopP = 0.9f, FrequencyPenalty = 0.3f, Seed = (ulong)s },
                MaxNewTokens = 6,
                IgnoreEndTokens = true,
                Logprobs = true,
                TopLogprobs = 3,
            });
        }

        var results = new SortedDictionary<(Guid, int), string>();
        int finished = 0;
        while (finished < prompts.Length)
        {
            foreach (var e in engine.Step())
            {
                finished += e is SequenceFinished ? 1 : 0;
                if (e is TokenGenerated { Token: var token } generated)
                {
                    results[(generated.Id.Value, generated.Index)] = $"{token.TokenId} {BitConverter.SingleToUInt32Bits(token.Logprob):X8} "
                        + string.Join(' ', token.Top.Select(t => $"{t.TokenId} {BitConverter.SingleToUInt32Bits(t.Logprob):X8}"));
                }
            }
        }

        byte[] text = System.Text.Encoding.ASCII.GetBytes(string.Join('\n', results.Select(r => $"{r.Key} {r.Value}")));
        string vectors = Avx512F.IsSupported ? "AVX-512" : Avx2.IsSupported ? "AVX2" : Vector128.IsHardwareAccelerated ? "128-bit" : "none";
        Console.WriteLine($"{Convert.ToHexStringLower(SHA256.HashData(text))} vectors={vectors}");
    }
}
