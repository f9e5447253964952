using System.Globalization;
using Grid.Cuda;
using Grid.Models;
using Grid.Options;

namespace Grid.Silo.Devices;

/// <summary>
/// How a GPU's memory is shared out. --mem-fraction-static is SGLang's: a share of what was free at start for weights,
/// working memory and KV cache together, so that the KV cache gets what is free after loading less the rest.
/// --kv-cache-memory names the KV cache's part outright. Either way what steps take beside these stays free.
/// </summary>
/// <param name="FreeAtStart">Bytes free before the weights came.</param>
/// <param name="FreeNow">Bytes free now.</param>
/// <param name="Fraction">--mem-fraction-static.</param>
/// <param name="KvCacheMemory">--kv-cache-memory; null where it is not given.</param>
/// <param name="LogitRows">Rows of fp32 logits that the engine allocates after the KV cache.</param>
internal sealed record CudaMemoryPlan(long FreeAtStart, long FreeNow, double Fraction, long? KvCacheMemory, int LogitRows)
{
    private long KeptFree(ModelMemory model)
    {
        long steps = CudaModelNeeds.StepBytes(model.Config);
        return KvCacheMemory is null ? Math.Max(FreeAtStart - (long)(FreeAtStart * Fraction), steps) : steps;
    }

    /// <summary>Refuses a model without room. Throws <see cref="StartException"/> with what it needs and what there is.</summary>
    public static void RequireRoom(string device, CudaMemoryPlan plan, ModelMemory model)
    {
        long kv = plan.KvCacheMemory ?? model.KvPageBytes;
        long needed = model.WeightBytes + model.WorkingBytes + model.LogitBytes(plan.LogitRows) + kv;
        long allowed = plan.FreeNow - plan.KeptFree(model);
        if (needed > allowed)
        {
            throw new StartException(string.Create(CultureInfo.InvariantCulture,
                $"The model does not fit on {device}: it needs {ByteSize.Format(needed)} (weights {ByteSize.Format(model.WeightBytes)}, working memory {ByteSize.Format(model.WorkingBytes + model.LogitBytes(plan.LogitRows))}, {Kv(plan, kv)}), and {plan.Available(allowed)}."));
        }
    }

    /// <summary>Bytes for the KV cache, once the weights are there. Throws <see cref="StartException"/> where they do not make a page, or
    /// are not free.</summary>
    public static long KvCacheBytes(string device, CudaMemoryPlan plan, ModelMemory model)
    {
        long free = plan.FreeNow - model.LogitBytes(plan.LogitRows) - plan.KeptFree(model);
        long budget = plan.KvCacheMemory ?? free;
        if (budget >= model.KvPageBytes && budget <= free)
        {
            return budget;
        }

        throw new StartException(plan.KvCacheMemory is null
            ? $"There is no room for a KV cache on {device}: a page needs {ByteSize.Format(model.KvPageBytes)}, and with the weights loaded {plan.Available(Math.Max(0, budget))}."
            : $"--kv-cache-memory is {ByteSize.Format(budget)}; it must hold at least one page ({ByteSize.Format(model.KvPageBytes)}) and fit in what is free for it on {device} ({ByteSize.Format(Math.Max(0, free))}).");
    }

    private static string Kv(CudaMemoryPlan plan, long bytes) =>
        plan.KvCacheMemory is null ? $"a KV page {ByteSize.Format(bytes)}" : $"--kv-cache-memory {ByteSize.Format(bytes)}";

    private string Available(long allowed) => KvCacheMemory is null
        ? string.Create(CultureInfo.InvariantCulture, $"--mem-fraction-static {Fraction} allows {ByteSize.Format(Math.Max(0, allowed))} of the {ByteSize.Format(FreeNow)} that are free")
        : $"{ByteSize.Format(Math.Max(0, allowed))} of the {ByteSize.Format(FreeNow)} that are free are for these";
}
