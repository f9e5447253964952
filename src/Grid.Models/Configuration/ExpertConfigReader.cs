using System.Text.Json;

namespace Grid.Models.Configuration;

/// <summary>Reads the fields of a mixture of experts. Its sizes must be there: a checkpoint names them.</summary>
internal static class ExpertConfigReader
{
    private const int MaxExperts = 4096;
    private const int MaxSize = 1 << 24;

    /// <summary>Reads and checks the fields.</summary>
    public static ExpertConfig Read(JsonFields fields, int layers)
    {
        int count = ReadCount(fields);
        int perToken = fields.Count("num_experts_per_tok", count);
        int intermediate = fields.Count("moe_intermediate_size", MaxSize);
        if ((long)perToken * intermediate > Array.MaxLength)
        {
            throw fields.Error("moe_intermediate_size", $"{intermediate}",
                $"its product with num_experts_per_tok ({perToken}) must not exceed {Array.MaxLength}");
        }

        return new ExpertConfig
        {
            Count = count,
            PerToken = perToken,
            IntermediateSize = intermediate,
            NormalizeWeights = fields.Flag("norm_topk_prob", fallback: false),
            Layers = ReadLayers(fields, layers),
        };
    }

    /// <summary>transformers 4 writes num_experts, newer versions may write num_local_experts; both may be there if they
    /// agree.</summary>
    private static int ReadCount(JsonFields fields)
    {
        if (fields.Find("num_local_experts") is not { } local)
        {
            return fields.Count("num_experts", MaxExperts);
        }

        int count = fields.Count("num_local_experts", MaxExperts);
        return fields.Find("num_experts") is null || fields.Count("num_experts", MaxExperts) == count
            ? count
            : throw fields.Error("num_local_experts", local, "it must agree with num_experts");
    }

    /// <summary>Every decoder_sparse_step-th layer has experts, except those that mlp_only_layers lists.</summary>
    private static int[] ReadLayers(JsonFields fields, int layers)
    {
        int step = fields.Count("decoder_sparse_step", int.MaxValue, fallback: 1);
        var dense = ReadDenseLayers(fields, layers);
        return [.. Enumerable.Range(0, layers).Where(layer => (layer + 1) % step == 0 && !dense.Contains(layer))];
    }

    private static HashSet<int> ReadDenseLayers(JsonFields fields, int layers)
    {
        HashSet<int> dense = [];
        if (fields.Find("mlp_only_layers") is not { } list)
        {
            return dense;
        }

        string rule = $"it must be a list of layers, each from 0 to {layers - 1}";
        IEnumerable<JsonElement> elements = list.ValueKind == JsonValueKind.Array
            ? list.EnumerateArray()
            : throw fields.Error("mlp_only_layers", list, rule);
        foreach (var element in elements)
        {
            if (element.ValueKind != JsonValueKind.Number || !element.TryGetInt32(out int layer) || layer < 0 || layer >= layers)
            {
                throw fields.Error("mlp_only_layers", list, rule);
            }

            dense.Add(layer);
        }

        return dense;
    }
}
