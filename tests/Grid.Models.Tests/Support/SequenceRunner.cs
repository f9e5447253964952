using Grid.Models.Architectures.Decoder;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Models.Tests.Support;

/// <summary>One sequence on one model, fed by hand: what the engine does, without the engine.</summary>
public sealed class SequenceRunner
{
    private readonly DecoderModel _model;
    private readonly IOperations _operations;
    private readonly KvCache _cache;
    private readonly BatchLayout _batch;
    private readonly LogitsBuffer _logits;
    private readonly int[] _pages;
    private readonly List<float[]> _states = [];
    private int _position;

    public SequenceRunner(DecoderModel model, IOperations operations, int maxTokens)
    {
        _model = model;
        _operations = operations;
        int pages = (maxTokens + AttentionLayout.BlockTokens - 1) / AttentionLayout.BlockTokens;
        _cache = model.AllocateKvCache(pages);
        _pages = [.. Enumerable.Range(0, pages).Reverse()];
        _batch = new BatchLayout(model.MaxRows, 1);
        _logits = operations.AllocateLogits(model.MaxRows, model.Config.VocabularySize);
    }

    /// <summary>Hidden states of the last pass, [index][rows * hidden].</summary>
    public IReadOnlyList<float[]> States => _states;

    /// <summary>Feeds the next tokens and returns their logits, [rows * vocabulary].</summary>
    public float[] Feed(params ReadOnlySpan<int> ids)
    {
        ids.CopyTo(_batch.TokenIds);
        for (int i = 0; i < ids.Length; i++)
        {
            _batch.Positions[i] = _position + i;
            _batch.LogitRows[i] = i;
        }

        _batch.RowCount = _batch.LogitRowCount = ids.Length;
        _batch.SequenceCount = 1;
        _batch.Sequences[0] = new SequenceSlice(0, ids.Length, _pages);
        _position += ids.Length;
        _states.Clear();
        _model.HiddenStateObserver = Keep;
        _model.Forward(_batch, _cache);
        _model.HiddenStateObserver = null;
        _model.ComputeLogits(0, ids.Length, _logits);
        float[] logits = new float[ids.Length * _model.Config.VocabularySize];
        _operations.Read(_logits, ids.Length, logits);
        return logits;
    }

    private void Keep(int index, Activation state)
    {
        Assert.Equal(_states.Count, index);
        ushort[] bits = new ushort[_batch.RowCount * state.Width];
        _operations.Read(state, _batch.RowCount, bits);
        _states.Add(Array.ConvertAll(bits, Bf16.ToSingle));
    }
}
