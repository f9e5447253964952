using System.Collections.Concurrent;
using System.Numerics;
using Grid.Models.Checkpoints;
using Grid.Numerics;

namespace Grid.Models.Tests.Support;

/// <summary>
/// The decoder architectures written down once more, in double and as plainly as possible, straight from their definition:
/// what the forward pass is compared with where no reference values are at hand. What a checkpoint has beyond the common
/// parts (norms of heads, biases, experts) is used. With rounding on, every tensor that a bf16 implementation stores is rounded,
/// which shows how far from exact such an implementation lies.
/// </summary>
public sealed class PlainDecoder(ModelConfig config, IReadOnlyDictionary<string, ushort[]> weights, bool round)
{
    private readonly ConcurrentDictionary<string, double[]> _widened = new(StringComparer.Ordinal);

    /// <summary>The router's logits of the last run, by layer and row.</summary>
    public ConcurrentDictionary<(string Layer, int Row), double[]> RouterLogits { get; } = [];

    /// <summary>Takes the weights from a model folder.</summary>
    public static PlainDecoder Of(ModelFolder folder, bool round)
    {
        var weights = new Dictionary<string, ushort[]>(StringComparer.Ordinal);
        using var checkpoint = Checkpoint.Open(folder);
        foreach ((string name, var tensor) in checkpoint.Tensors)
        {
            ushort[] values = weights[name] = new ushort[tensor.Rows * tensor.Columns];
            for (int row = 0; row < tensor.Rows; row++)
            {
                tensor.CopyRow(row, values.AsSpan(row * tensor.Columns, tensor.Columns));
            }
        }

        return new PlainDecoder(folder.ReadConfig(), weights, round);
    }

    /// <summary>Hidden states [index][row][hidden]: the embedding, every layer's output, the final norm; then the
    /// logits.</summary>
    public List<double[][]> Run(int[] ids)
    {
        double[] table = Weight("model.embed_tokens.weight");
        double[][] x = [.. ids.Select(id => table[(id * config.HiddenSize)..((id + 1) * config.HiddenSize)])];
        List<double[][]> states = [x];
        for (int layer = 0; layer < config.Layers; layer++)
        {
            x = Layer(x, $"model.layers.{layer}.");
            states.Add(x);
        }

        double[][] final = Each(x, row => Norm(row, Weight("model.norm.weight")));
        states.Add(final);
        double[] head = config.TiedEmbeddings ? table : Weight("lm_head.weight");
        states.Add([.. final.AsParallel().AsOrdered().Select(row => Product(row, head))]);
        return states;
    }

    private double[][] Layer(double[][] x, string name)
    {
        double[][] h = Each(x, row => Norm(row, Weight(name + "input_layernorm.weight")));
        double[][] queries = Heads(h, name, "q", config.QueryHeads);
        double[][] keys = Heads(h, name, "k", config.KvHeads);
        double[][] values = Each(h, row => Projected(row, name + "self_attn.v_proj"));
        double[][] attended = Each([.. queries.Index()], q => Attend(q.Item, keys[..(q.Index + 1)], values));
        x = Each(x.Zip(attended).ToArray(), r => Sum(r.First, Product(r.Second, Weight(name + "self_attn.o_proj.weight"))));
        h = Each(x, row => Norm(row, Weight(name + "post_attention_layernorm.weight")));
        double[][] fed = [.. h.Index().AsParallel().AsOrdered().Select(row => FeedForward(row.Item, name + "mlp.", row.Index))];
        return Each(x.Zip(fed).ToArray(), r => Sum(r.First, r.Second));
    }

    private double[] FeedForward(double[] h, string name, int row) =>
        weights.ContainsKey(name + "gate.weight") ? Mixture(h, name, row) : Mlp(h, name);

    /// <summary>The chosen experts' outputs by their softmax weights.</summary>
    private double[] Mixture(double[] h, string name, int row)
    {
        double[] logits = RouterLogits[(name, row)] = Product(h, Weight(name + "gate.weight"));
        int[] chosen = [.. Enumerable.Range(0, logits.Length).OrderByDescending(e => logits[e]).Take(config.Experts!.PerToken)];
        double[] shares = Array.ConvertAll(logits, l => Math.Exp(l - logits.Max()));
        double sum = config.Experts.NormalizeWeights ? chosen.Sum(e => shares[e]) : shares.Sum();
        return chosen.Select(e => Array.ConvertAll(Mlp(h, $"{name}experts.{e}."), v => v * shares[e] / sum)).Aggregate(Sum);
    }

    private double[] Mlp(double[] h, string name)
    {
        double[] gated = Stored(Gate(Product(h, Weight(name + "gate_proj.weight")), Product(h, Weight(name + "up_proj.weight"))));
        return Product(gated, Weight(name + "down_proj.weight"));
    }

    /// <summary>W h, plus the bias where the checkpoint has one.</summary>
    private double[] Projected(double[] h, string name)
    {
        double[] product = Product(h, Weight(name + ".weight"));
        return weights.ContainsKey(name + ".bias") ? Sum(product, Weight(name + ".bias")) : product;
    }

    /// <summary>Projected, each head normalised (where the checkpoint has norms for heads) and rotated by its position.</summary>
    private double[][] Heads(double[][] h, string name, string kind, int heads)
    {
        string norm = $"{name}self_attn.{kind}_norm.weight";
        double[][] projected = Each(h, row => Projected(row, $"{name}self_attn.{kind}_proj"));
        return [.. projected.Select((row, position) => Stored([.. Enumerable.Range(0, heads).Select(head => Head(row, head))
            .SelectMany(head => Rotate(weights.ContainsKey(norm) ? Norm(head, Weight(norm)) : head, position))]))];
    }

    private double[] Head(double[] row, int head) => row[(head * config.HeadDim)..((head + 1) * config.HeadDim)];

    private double[] Rotate(double[] head, int position)
    {
        int half = config.HeadDim / 2;
        double[] result = new double[config.HeadDim];
        for (int i = 0; i < half; i++)
        {
            double angle = position * Frequency(i);
            result[i] = head[i] * Math.Cos(angle) - head[i + half] * Math.Sin(angle);
            result[i + half] = head[i + half] * Math.Cos(angle) + head[i] * Math.Sin(angle);
        }

        return result;
    }

    private double Frequency(int i)
    {
        double frequency = Math.Pow(config.RopeTheta, -2.0 * i / config.HeadDim);
        if (config.RopeScaling is not { } scaling)
        {
            return frequency;
        }

        // By wavelength: longer ones than the original context / low factor are stretched, shorter ones than the original
        // context / high factor are not.
        double wavelength = 2 * Math.PI / frequency;
        double stretched = frequency / scaling.Factor;
        if (wavelength > scaling.OriginalMaxPositions / scaling.LowFrequencyFactor)
        {
            return stretched;
        }

        if (wavelength < scaling.OriginalMaxPositions / scaling.HighFrequencyFactor)
        {
            return frequency;
        }

        double smooth = ((scaling.OriginalMaxPositions / wavelength) - scaling.LowFrequencyFactor)
            / (scaling.HighFrequencyFactor - scaling.LowFrequencyFactor);
        return ((1 - smooth) * stretched) + (smooth * frequency);
    }

    private double[] Attend(double[] query, double[][] keys, double[][] values)
    {
        int group = config.QueryHeads / config.KvHeads;
        int size = config.HeadDim;
        double[] result = new double[config.QueryHeads * size];
        for (int head = 0; head < config.QueryHeads; head++)
        {
            int shared = head / group * size;
            double[] q = Head(query, head);
            double[] scores = Array.ConvertAll(keys, k => Dot(q, k.AsSpan(shared, size)) / Math.Sqrt(size));
            double max = scores.Max();
            double[] shares = Array.ConvertAll(scores, s => Math.Exp(s - max));
            double sum = shares.Sum();
            for (int t = 0; t < shares.Length; t++)
            {
                for (int i = 0; i < size; i++)
                {
                    result[head * size + i] += shares[t] / sum * values[t][shared + i];
                }
            }
        }

        return result;
    }

    private double[] Norm(double[] row, double[] weight)
    {
        double inverse = 1 / Math.Sqrt(row.Select(v => v * v).Average() + config.NormEpsilon);
        return [.. row.Select((v, i) => v * inverse * weight[i])];
    }

    private static double[] Product(double[] row, double[] matrix) =>
        [.. Enumerable.Range(0, matrix.Length / row.Length).Select(n => Dot(row, matrix.AsSpan(n * row.Length, row.Length)))];

    private static double[] Gate(double[] gate, double[] up) => [.. gate.Zip(up, (g, u) => g / (1 + Math.Exp(-g)) * u)];

    private static double[] Sum(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];

    private static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        Vector<double> lanes = default;
        int i = 0;
        for (; i <= a.Length - Vector<double>.Count; i += Vector<double>.Count)
        {
            lanes += new Vector<double>(a[i..]) * new Vector<double>(b[i..]);
        }

        double sum = Vector.Sum(lanes);
        for (; i < a.Length; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
    }

    private double[][] Each<T>(T[] rows, Func<T, double[]> compute) =>
        [.. rows.AsParallel().AsOrdered().Select(row => Stored(compute(row)))];

    private double[] Stored(double[] row) => round ? [.. row.Select(v => (double)Bf16.ToSingle(Bf16.FromSingle((float)v)))] : row;

    private double[] Weight(string name) =>
        _widened.GetOrAdd(name, n => Array.ConvertAll(weights[n], bits => (double)Bf16.ToSingle(bits)));
}
