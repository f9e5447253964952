using System.Collections.Concurrent;
using System.Numerics;
using Grid.Models.Checkpoints;
using Grid.Numerics;

namespace Grid.Models.Tests.Support;

/// <summary>
/// The Qwen3 architecture written down once more, in double and as plainly as possible, straight from its definition:
/// what the forward pass is compared with where no reference values are at hand. With rounding on, every tensor that a
/// bf16 implementation stores is rounded, which shows how far from exact such an implementation lies.
/// </summary>
public sealed class PlainQwen3(ModelConfig config, Func<string, ushort[]> weights, bool round)
{
    private readonly ConcurrentDictionary<string, double[]> _widened = new(StringComparer.Ordinal);

    /// <summary>Takes the weights from a model folder.</summary>
    public static PlainQwen3 Of(ModelFolder folder, bool round)
    {
        var weights = new ConcurrentDictionary<string, ushort[]>(StringComparer.Ordinal);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        foreach ((string name, SafetensorsTensor tensor) in checkpoint.Tensors)
        {
            ushort[] values = weights[name] = new ushort[tensor.Rows * tensor.Columns];
            for (int row = 0; row < tensor.Rows; row++)
            {
                tensor.CopyRow(row, values.AsSpan(row * tensor.Columns, tensor.Columns));
            }
        }

        return new PlainQwen3(folder.ReadConfig(), name => weights[name], round);
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
        double[][] values = Each(h, row => Product(row, Weight(name + "self_attn.v_proj.weight")));
        double[][] attended = Each([.. queries.Index()], q => Attend(q.Item, keys[..(q.Index + 1)], values));
        x = Each(x.Zip(attended).ToArray(), r => Sum(r.First, Product(r.Second, Weight(name + "self_attn.o_proj.weight"))));
        h = Each(x, row => Norm(row, Weight(name + "post_attention_layernorm.weight")));
        double[][] gated = Each(h, row => Gate(
            Product(row, Weight(name + "mlp.gate_proj.weight")), Product(row, Weight(name + "mlp.up_proj.weight"))));
        return Each(x.Zip(gated).ToArray(), r => Sum(r.First, Product(r.Second, Weight(name + "mlp.down_proj.weight"))));
    }

    /// <summary>Projected, each head normalised and rotated by its position.</summary>
    private double[][] Heads(double[][] h, string name, string kind, int heads)
    {
        double[] projection = Weight($"{name}self_attn.{kind}_proj.weight");
        double[] norm = Weight($"{name}self_attn.{kind}_norm.weight");
        double[][] projected = Each(h, row => Product(row, projection));
        return [.. projected.Select((row, position) =>
            Stored([.. Enumerable.Range(0, heads).SelectMany(head => Rotate(Norm(Head(row, head), norm), position))]))];
    }

    private double[] Head(double[] row, int head) => row[(head * config.HeadDim)..((head + 1) * config.HeadDim)];

    private double[] Rotate(double[] head, int position)
    {
        int half = config.HeadDim / 2;
        var result = new double[config.HeadDim];
        for (int i = 0; i < half; i++)
        {
            double angle = position * Math.Pow(config.RopeTheta, -(double)i / half);
            result[i] = head[i] * Math.Cos(angle) - head[i + half] * Math.Sin(angle);
            result[i + half] = head[i + half] * Math.Cos(angle) + head[i] * Math.Sin(angle);
        }

        return result;
    }

    private double[] Attend(double[] query, double[][] keys, double[][] values)
    {
        int group = config.QueryHeads / config.KvHeads;
        int size = config.HeadDim;
        var result = new double[config.QueryHeads * size];
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
        _widened.GetOrAdd(name, n => Array.ConvertAll(weights(n), bits => (double)Bf16.ToSingle(bits)));
}
