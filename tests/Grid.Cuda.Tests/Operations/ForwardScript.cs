using System.Runtime.InteropServices;
using Grid.Determinism.Tests.Harness;
using Grid.Models.Architectures.Decoder;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cuda.Tests;

/// <summary>
/// A fixed run of forward passes on one device: prefill, chunks, decode and mixtures of them over a few sequences, two of them longer
/// than an attention segment, then the logits of every row, and a draw or a score from each.
/// </summary>
internal sealed class ForwardScript
{
    /// <summary>Rows of the largest pass.</summary>
    public const int MaxRows = 704;

    private const int LogitRows = 50; // no multiple of what an operand's alignment asks for

    // (sequence, rows) of each pass.
    private static readonly (int Sequence, int Rows)[][] s_passes =
    [
        [(0, 70), (1, 1), (5, 600)],
        [(0, 16), (2, 300), (1, 1), (5, 380)],
        [(0, 64), (1, 1), (3, 64), (2, 512), (5, 40)],
        [(2, 278), (4, 200), (0, 1), (1, 1), (3, 1), (5, 4)],
        [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1)],
        [(4, 1), (5, 1), (3, 1), (2, 1), (1, 1), (0, 1)],
        [(0, 1), (2, 1), (3, 1), (4, 1)],
        [(2, 1)],
        [(1, 1), (3, 1)],
        [(0, 1), (1, 1), (3, 1), (4, 1), (2, 1)],
        [(2, 1), (4, 3), (0, 1)],
        [(1, 1)],
        [(3, 1), (0, 1), (1, 1)],
    ];

    private readonly DecoderModel _model;
    private readonly IOperations _operations;
    private readonly bool _observed;
    private readonly BatchLayout _batch = new(MaxRows, 8);
    private readonly int[][] _pages;
    private readonly int[][] _tokens;
    private readonly int[] _positions;
    private readonly List<Result> _results = [];

    private ForwardScript(DecoderModel model, IOperations operations, bool observed)
    {
        (_model, _operations, _observed) = (model, operations, observed);
        int[] lengths = [.. Enumerable.Range(0, 6).Select(s => s_passes.SelectMany(pass => pass).Where(slice => slice.Sequence == s).Sum(slice => slice.Rows))];
        int[] pages = [.. Enumerable.Range(0, lengths.Sum(PagesFor))];
        new Random(3).Shuffle(pages);
        int taken = 0;
        _pages = [.. lengths.Select(length => pages[taken..(taken += PagesFor(length))])];
        _tokens = [.. lengths.Select((length, s) => Requests.Prompt(length, s + 50, model.Config.VocabularySize))];
        _positions = new int[lengths.Length];
    }

    /// <summary>Results in order; hidden states only when observed, which is never a recorded pass.</summary>
    public static List<Result> Run(DecoderModel model, IOperations operations, bool observed)
    {
        var script = new ForwardScript(model, operations, observed);
        int pages = script._pages.Sum(table => table.Length);
        using var cache = model.AllocateKvCache(pages);
        using var logits = operations.AllocateLogits(LogitRows, model.Config.VocabularySize);
        operations.ClearPages(cache, [.. Enumerable.Range(0, pages)]);
        for (int pass = 0; pass < s_passes.Length; pass++)
        {
            script.Pass(pass, cache, logits);
        }

        return script._results;
    }

    private static int PagesFor(int length) => (length + AttentionLayout.BlockTokens - 1) / AttentionLayout.BlockTokens;

    private void Pass(int number, KvCache cache, LogitsBuffer logits)
    {
        Lay(s_passes[number]);
        string name = $"pass {number}";
        if (_observed)
        {
            _model.HiddenStateObserver = (index, state) => Keep($"{name}, hidden state {index}", state);
        }

        _model.Forward(_batch, cache);
        _model.HiddenStateObserver = null;
        for (int first = 0; first < _batch.LogitRowCount; first += LogitRows)
        {
            int count = Math.Min(LogitRows, _batch.LogitRowCount - first);
            _model.ComputeLogits(first, count, logits);
            float[] values = new float[count * logits.Width];
            _operations.Read(logits, count, values);
            _results.Add(new Result($"{name}, logits {first}", logits.Width, sizeof(float), MemoryMarshal.AsBytes(values.AsSpan()).ToArray()));
            Sample($"{name}, samples {first}", first, count, logits);
        }
    }

    private void Lay((int Sequence, int Rows)[] slices)
    {
        (_batch.RowCount, _batch.SequenceCount) = (0, 0);
        foreach ((int sequence, int rows) in slices)
        {
            _batch.Sequences[_batch.SequenceCount++] = new SequenceSlice(_batch.RowCount, rows, _pages[sequence]);
            for (int i = 0; i < rows; i++)
            {
                int row = _batch.RowCount++;
                _batch.Positions[row] = _positions[sequence]++;
                _batch.TokenIds[row] = _tokens[sequence][_batch.Positions[row]];
                _batch.LogitRows[row] = row;
            }
        }

        _batch.LogitRowCount = _batch.RowCount;
    }

    private void Keep(string what, Activation state)
    {
        ushort[] bits = new ushort[_batch.RowCount * state.Width];
        _operations.Read(state, _batch.RowCount, bits);
        _results.Add(new Result(what, state.Width, sizeof(ushort), MemoryMarshal.AsBytes(bits.AsSpan()).ToArray()));
    }

    private void Sample(string what, int first, int count, LogitsBuffer logits)
    {
        SamplingRow[] rows = [.. Enumerable.Range(0, count).Select(i => SamplingRows.Varied(first + i, i, logits.Width))];
        var sampled = new SampledToken[count];
        _operations.Sample(logits, rows, sampled);
        _results.AddRange(sampled.Select((token, i) => new Result($"{what} + {i}", 1, sizeof(int), SamplingRows.Encode(token))));
    }
}
