using Grid.Cpu;

namespace Grid.Cuda.Tests;

/// <summary>What the CPU gives for <see cref="ForwardScript"/>, computed once a model.</summary>
internal static class CpuForward
{
    private static readonly Dictionary<string, List<Result>> s_results = new(StringComparer.Ordinal);

    public static List<Result> Results(string model)
    {
        lock (s_results)
        {
            if (!s_results.TryGetValue(model, out var results))
            {
                using var operations = new CpuOperations(new CpuOptions());
                using var loaded = TestModels.Load(model, operations, ForwardScript.MaxRows);
                s_results.Add(model, results = ForwardScript.Run(loaded.Decoder(), operations, observed: true));
            }

            return results;
        }
    }

    public static List<Result> WithoutStates(string model) =>
        [.. Results(model).Where(result => !result.What.Contains("hidden state", StringComparison.Ordinal))];
}
