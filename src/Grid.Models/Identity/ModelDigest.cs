using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Grid.Models.Checkpoints;

namespace Grid.Models.Identity;

/// <summary>
/// SHA-256 of a model's manifest: one line for every field of the configuration that decides an output, then, in
/// ordinal order of their names, one line for every weight with its shape and the SHA-256 of its bf16 values (of
/// generated ones, the generator's version). Storage (shards, element type, order in the file) leaves no trace in it.
/// </summary>
internal static class ModelDigest
{
    /// <summary>One weight of the manifest; Values stands for its values.</summary>
    internal readonly record struct Weight(string Name, IReadOnlyList<int> Shape, string Values);

    /// <summary>The digest in lower-case hexadecimal.</summary>
    public static string Compute(ModelConfig config, IEnumerable<Weight> weights) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Manifest(config, weights))));

    /// <summary>The first field in which a configuration differs from another, with both values; null where they decide the same.</summary>
    public static (string Field, string Own, string Other)? FindDifference(ModelConfig config, ModelConfig other)
    {
        string[] own = Manifest(config, []).Split('\n');
        string[] its = Manifest(other, []).Split('\n');
        for (int i = 0; i < Math.Min(own.Length, its.Length); i++)
        {
            if (own[i] != its[i])
            {
                string[] mine = own[i].Split('=', 2), theirs = its[i].Split('=', 2);
                return (theirs[0], mine[0] == theirs[0] ? mine[1] : "none", theirs[^1]);
            }
        }

        return own.Length == its.Length ? null : ("the number of fields", $"{own.Length}", $"{its.Length}");
    }

    /// <summary>The text that is hashed.</summary>
    public static string Manifest(ModelConfig config, IEnumerable<Weight> weights)
    {
        var text = new StringBuilder("grid model manifest 1\n");
        void Line(string name, IFormattable value) =>
            text.Append(CultureInfo.InvariantCulture, $"{name}={value.ToString(null, CultureInfo.InvariantCulture)}\n");

        void Double(string name, double value) =>
            text.Append(CultureInfo.InvariantCulture, $"{name}=fp64:{BitConverter.DoubleToUInt64Bits(value):x16}\n");

        text.Append(CultureInfo.InvariantCulture, $"architecture={config.Architecture}\n");
        Line("vocabulary_size", config.VocabularySize);
        Line("hidden_size", config.HiddenSize);
        Line("intermediate_size", config.IntermediateSize);
        Line("layers", config.Layers);
        Line("query_heads", config.QueryHeads);
        Line("kv_heads", config.KvHeads);
        Line("head_dim", config.HeadDim);
        Line("max_positions", config.MaxPositions);
        // Floating-point numbers by their bits: no formatting rule can change them.
        text.Append(CultureInfo.InvariantCulture, $"norm_epsilon=fp32:{BitConverter.SingleToUInt32Bits(config.NormEpsilon):x8}\n");
        Double("rope_theta", config.RopeTheta);
        if (config.RopeScaling is { } scaling)
        {
            text.Append("rope_scaling=llama3\n");
            Double("rope_factor", scaling.Factor);
            Double("rope_low_frequency_factor", scaling.LowFrequencyFactor);
            Double("rope_high_frequency_factor", scaling.HighFrequencyFactor);
            Line("rope_original_max_positions", scaling.OriginalMaxPositions);
        }

        text.Append(CultureInfo.InvariantCulture, $"tied_embeddings={(config.TiedEmbeddings ? 1 : 0)}\n");
        text.Append(CultureInfo.InvariantCulture, $"end_token_ids={string.Join(',', config.EndTokenIds)}\n");
        if (config.Experts is { } experts)
        {
            Line("experts", experts.Count);
            Line("experts_per_token", experts.PerToken);
            Line("expert_intermediate_size", experts.IntermediateSize);
            Line("normalize_expert_weights", experts.NormalizeWeights ? 1 : 0);
            text.Append(CultureInfo.InvariantCulture, $"expert_layers={string.Join(',', experts.Layers)}\n");
        }

        foreach (var weight in weights.OrderBy(w => w.Name, StringComparer.Ordinal))
        {
            text.Append(CultureInfo.InvariantCulture,
                $"weight {weight.Name} {StoredTensor.Format(weight.Shape)} {weight.Values}\n");
        }

        return text.ToString();
    }
}
