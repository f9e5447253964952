using Grid.Cpu.Chains;
using Grid.Cpu.Memory;
using Grid.Cpu.Threading;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cpu.Rows;

/// <summary>
/// Head norm and rotation of q and k in fp32, rounded once to bf16; q stays in place, k and v go into the row's page.
/// first' = fma(first, cos, -(second * sin)), second' = fma(second, cos, first * sin).
/// </summary>
internal sealed unsafe class RotateAndStoreTask : RowTask
{
    private BatchLayout _batch = null!;
    private CpuActivation _qkv = null!;
    private CpuVector? _queryNorm;
    private CpuVector? _keyNorm;
    private CpuRotaryTable _rotary = null!;
    private CpuKvCache _cache = null!;
    private int[] _sequenceOfRow = [];
    private int _queryHeads;
    private int _layer;
    private float _epsilon;

    public void Run(WorkCrew crew, BatchLayout batch, int[] sequenceOfRow, CpuActivation qkv, in RotarySpec rotary, KvLayer layer)
    {
        (_batch, _sequenceOfRow, _qkv, _queryHeads) = (batch, sequenceOfRow, qkv, rotary.QueryHeads);
        (_queryNorm, _keyNorm, _epsilon) = ((CpuVector?)rotary.QueryNorm, (CpuVector?)rotary.KeyNorm, rotary.Epsilon);
        (_rotary, _cache, _layer) = ((CpuRotaryTable)rotary.Table, (CpuKvCache)layer.Cache, layer.Layer);
        RunRows(crew, batch.RowCount);
    }

    protected override void ExecuteRow(int row)
    {
        int position = _batch.Positions[row];
        int page = _batch.Sequences[_sequenceOfRow[row]].PageTable[position / AttentionLayout.BlockTokens];
        int slot = position % AttentionLayout.BlockTokens;
        int headDim = _cache.HeadDim;
        ushort* heads = _qkv.Data.Pointer + ((long)row * _qkv.Width);
        for (int head = 0; head < _queryHeads; head++)
        {
            Rotate(heads + (head * headDim), _queryNorm, position);
        }

        for (int head = 0; head < _cache.KvHeads; head++)
        {
            ushort* key = heads + ((_queryHeads + head) * headDim);
            ushort* value = key + (_cache.KvHeads * headDim);
            Rotate(key, _keyNorm, position);
            ushort* image = _cache.Data.Pointer + _cache.HeadStart(page, _layer, head);
            int largest = StoreKey(key, (uint*)image, slot, headDim);
            largest = Math.Max(largest, StoreValue(value, image + (AttentionLayout.BlockTokens * headDim), slot, headDim));
            if (largest >= ChainKernel.ExtremeExponentField << 7)
            {
                _cache.Extreme[page] = true;
            }
        }
    }

    private void Rotate(ushort* head, CpuVector? norm, int position)
    {
        int headDim = _cache.HeadDim;
        int half = headDim / 2;
        float* x = stackalloc float[headDim];
        float inverse = HeadNorm.WidenAndScale(head, x, headDim, _epsilon);
        if (norm is not null)
        {
            for (int i = 0; i < headDim; i++)
            {
                x[i] = x[i] * inverse * norm.Values[i];
            }
        }

        ReadOnlySpan<float> cos = _rotary.Cos.AsSpan(position * half, half);
        ReadOnlySpan<float> sin = _rotary.Sin.AsSpan(position * half, half);
        for (int i = 0; i < half; i++)
        {
            float first = x[i];
            float second = x[i + half];
            head[i] = Bf16.FromSingle(MathF.FusedMultiplyAdd(first, cos[i], -(second * sin[i])));
            head[i + half] = Bf16.FromSingle(MathF.FusedMultiplyAdd(second, cos[i], first * sin[i]));
        }
    }

    private static int StoreKey(ushort* key, uint* image, int slot, int headDim)
    {
        uint* lane = image + (slot / 16 * (headDim / 2) * 16) + (slot % 16);
        int largest = 0;
        for (int d = 0; d < headDim; d += 2)
        {
            lane[d / 2 * 16] = key[d] | ((uint)key[d + 1] << 16);
            largest = Math.Max(largest, Math.Max(key[d] & 0x7F80, key[d + 1] & 0x7F80));
        }

        return largest;
    }

    private static int StoreValue(ushort* value, ushort* image, int slot, int headDim)
    {
        int largest = 0;
        for (int d = 0; d < headDim; d++)
        {
            image[(d / 16 * AttentionLayout.BlockTokens * 16) + (slot / 2 * 32) + (d % 16 * 2) + (slot % 2)] = value[d];
            largest = Math.Max(largest, value[d] & 0x7F80);
        }

        return largest;
    }
}
