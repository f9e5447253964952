using Grid.Cpu.Chains;
using Grid.Cpu.Memory;
using Grid.Cpu.Threading;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cpu.Attention;

/// <summary>
/// Causal attention over pages. A part is a few query rows of one sequence with the heads that share one kv head, so
/// that up to eight (row, head) pairs read a block of keys together. See <see cref="AttentionReference"/> for the
/// arithmetic, which knows neither parts nor pages.
/// </summary>
internal sealed class AttentionTask(WorkCrew crew, ChainKernel kernel) : CrewTask
{
    private readonly List<Item> _items = [];
    private readonly ThreadLocal<AttentionScratch> _scratch = new(() => new AttentionScratch());
    private BatchLayout _batch = null!;
    private CpuActivation _qkv = null!;
    private CpuActivation _output = null!;
    private CpuKvCache _cache = null!;
    private int _queryHeads;
    private int _layer;
    private float _factor;

    public void Run(BatchLayout batch, CpuActivation qkv, in AttentionSpec attention, KvLayer layer, CpuActivation output)
    {
        (_batch, _qkv, _queryHeads, _output) = (batch, qkv, attention.QueryHeads, output);
        (_cache, _layer) = ((CpuKvCache)layer.Cache, layer.Layer);
        _factor = AttentionReference.ExponentFactor(attention.Scale);
        _items.Clear();
        int group = _queryHeads / _cache.KvHeads;
        int rowsAtOnce = Math.Max(1, ChainKernel.MaxRows / group);
        for (int s = 0; s < batch.SequenceCount; s++)
        {
            var slice = batch.Sequences[s];
            for (int row = 0; row < slice.RowCount; row += rowsAtOnce)
            {
                for (int head = 0; head < _cache.KvHeads; head++)
                {
                    _items.Add(new Item(s, slice.FirstRow + row, Math.Min(rowsAtOnce, slice.RowCount - row), head));
                }
            }
        }

        crew.Run(this, _items.Count);
    }

    public override void Execute(int part)
    {
        var item = _items[part];
        int group = _queryHeads / _cache.KvHeads;
        var scratch = _scratch.Value!;
        for (int head = 0; head < group; head += ChainKernel.MaxRows)
        {
            scratch.Begin(kernel, _cache, _layer, item.KvHead, _factor);
            int heads = Math.Min(ChainKernel.MaxRows, group - head);
            for (int row = 0; row < item.Rows; row++)
            {
                for (int h = 0; h < heads; h++)
                {
                    scratch.AddQuery(_qkv, item.FirstRow + row, (item.KvHead * group) + head + h, _batch.Positions[item.FirstRow + row]);
                }
            }

            scratch.Attend(_batch.Sequences[item.Sequence].PageTable);
            int index = 0;
            for (int row = 0; row < item.Rows; row++)
            {
                for (int h = 0; h < heads; h++)
                {
                    scratch.WriteResult(index++, _output, item.FirstRow + row, (item.KvHead * group) + head + h);
                }
            }
        }
    }

    private readonly record struct Item(int Sequence, int FirstRow, int Rows, int KvHead);
}
