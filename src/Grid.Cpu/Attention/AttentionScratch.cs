using System.Runtime.Intrinsics;
using Grid.Cpu.Chains;
using Grid.Cpu.Memory;
using Grid.Cpu.Rows;
using Grid.Numerics;

namespace Grid.Cpu.Attention;

/// <summary>One core's working memory for up to eight attention rows over the same keys, and the walk over blocks.</summary>
internal sealed unsafe class AttentionScratch
{
    private const int Tokens = AttentionLayout.BlockTokens;
    private const int Rows = ChainKernel.MaxRows;

    private static readonly NativeBuffer<float> Ones = Filled(1f);
    private static readonly NativeBuffer<ushort> OneExponents = FilledExponents();

    private readonly IntegerChainKernel _integer = new();
    private readonly NativeBuffer<float> _scores = new(Rows * Tokens);
    private readonly NativeBuffer<float> _weights = new(Rows * Tokens); // P widened
    private readonly NativeBuffer<ushort> _weightExponents = new(Rows * Tokens);
    private readonly NativeBuffer<uint> _transposed = new(Tokens / 2 * 16); // P as 16 columns, for the row sums
    private readonly NativeBuffer<float> _sums = new(16);
    private readonly int[] _positions = new int[Rows];
    private readonly float[] _max = new float[Rows];
    private readonly float[] _mergedMax = new float[Rows];
    private readonly float[] _mergedSum = new float[Rows];
    private NativeBuffer<float> _query = new(0);
    private NativeBuffer<ushort> _queryExponents = new(0);
    private NativeBuffer<float> _out = new(0);
    private NativeBuffer<float> _merged = new(0);
    private ChainKernel _kernel = null!;
    private CpuKvCache _cache = null!;
    private int _layer;
    private int _kvHead;
    private int _count;
    private float _factor;
    private bool _extremeQuery;

    public void Begin(ChainKernel kernel, CpuKvCache cache, int layer, int kvHead, float factor)
    {
        (_kernel, _cache, _layer, _kvHead, _factor, _count, _extremeQuery) = (kernel, cache, layer, kvHead, factor, 0, false);
        if (_query.Length < Rows * cache.HeadDim)
        {
            _query = new NativeBuffer<float>(Rows * cache.HeadDim);
            _queryExponents = new NativeBuffer<ushort>(Rows * cache.HeadDim);
            _out = new NativeBuffer<float>(Rows * cache.HeadDim);
            _merged = new NativeBuffer<float>(Rows * cache.HeadDim);
        }

        // Columns of no row hold ones: zeros there would only send the kernel to its slow form.
        new Span<uint>(_transposed.Pointer, (int)_transposed.Length).Fill(Bf16.One | ((uint)Bf16.One << 16));
    }

    /// <summary>Adds a row; positions must not descend.</summary>
    public void AddQuery(CpuActivation qkv, int row, int head, int position)
    {
        int headDim = _cache.HeadDim;
        _positions[_count] = position;
        _extremeQuery |= VectorBf16.Prepare(
            qkv.Data.Pointer + ((long)row * qkv.Width) + (head * headDim), headDim, headDim,
            _query.Pointer + (_count * headDim), _queryExponents.Pointer + (_count * headDim));
        _count++;
    }

    public void Attend(int[] pageTable)
    {
        int last = _positions[_count - 1];
        for (int segment = 0; segment <= last; segment += AttentionLayout.SegmentTokens)
        {
            _max.AsSpan(0, _count).Fill(float.NegativeInfinity);
            new Span<float>(_sums.Pointer, 16).Clear();
            new Span<float>(_out.Pointer, _count * _cache.HeadDim).Clear();
            int end = Math.Min(segment + AttentionLayout.SegmentTokens, last + 1);
            for (int block = segment; block < end; block += Tokens)
            {
                Block(block, pageTable[block / Tokens], Math.Min(Tokens, last + 1 - block));
            }

            Merge(segment);
        }
    }

    /// <summary>A row's weighted values and sum of weights before the division.</summary>
    public (float[] Weighted, float Sum) ReadAccumulators(int index) =>
        (new Span<float>(_merged.Pointer + (index * _cache.HeadDim), _cache.HeadDim).ToArray(), _mergedSum[index]);

    public void WriteResult(int index, CpuActivation output, int row, int head)
    {
        int headDim = _cache.HeadDim;
        ushort* target = output.Data.Pointer + ((long)row * output.Width) + (head * headDim);
        float* o = _merged.Pointer + (index * headDim);
        var sum = Vector512.Create(_mergedSum[index]);
        for (int d = 0; d < headDim; d += 16)
        {
            VectorBf16.StoreRounded(Vector512.Load(o + d) / sum, target + d);
        }
    }

    private void Block(int block, int page, int keys)
    {
        int headDim = _cache.HeadDim;
        ushort* image = _cache.Data.Pointer + _cache.HeadStart(page, _layer, _kvHead);
        int groups = (keys + 15) / 16;
        var kernel = _extremeQuery || _cache.Extreme[page] ? _integer : _kernel;

        new Span<float>(_scores.Pointer, _count * Tokens).Clear();
        for (int g = 0; g < groups; g++)
        {
            kernel.Run(
                image + (g * 16 * headDim), headDim / 16, _query.Pointer, _queryExponents.Pointer, headDim, _count,
                _scores.Pointer + (g * 16), Tokens);
        }

        bool finite = true;
        for (int r = 0; r < _count; r++)
        {
            finite &= Weigh(r, _positions[r] + 1 - block);
        }

        if (!finite)
        {
            kernel = _integer;
        }

        kernel.Run((ushort*)_transposed.Pointer, groups, Ones.Pointer, OneExponents.Pointer, Tokens, 1, _sums.Pointer, 16);
        ushort* values = image + (Tokens * headDim);
        for (int d = 0; d < headDim; d += 16)
        {
            kernel.Run(
                values + (d * Tokens), groups, _weights.Pointer, _weightExponents.Pointer, Tokens, _count,
                _out.Pointer + d, headDim);
        }
    }

    /// <summary>Scores of one row to weights; rescales what the row has so far. False when a score is not finite.</summary>
    private bool Weigh(int row, int visible)
    {
        float* scores = _scores.Pointer + (row * Tokens);
        var infinity = Vector512.Create(float.PositiveInfinity);
        var most = Vector512.Create(_max[row]);
        var lanes = Vector512<int>.Indices;
        bool finite = true;
        for (int k = 0; k < Tokens; k += 16)
        {
            var s = Vector512.Load(scores + k);
            finite &= Vector512.LessThanAll(Vector512.Abs(s), infinity);
            s = Vector512.ConditionalSelect(
                Vector512.LessThan(lanes, Vector512.Create(visible - k)).AsSingle(), s, Vector512.Create(float.NegativeInfinity));
            s.Store(scores + k);
            most = Vector512.ConditionalSelect(Vector512.GreaterThan(s, most), s, most);
        }

        float m = Largest(most);
        var c = Vector512.Create(_factor);
        var minusMc = Vector512.Create(-(m * _factor));
        float* weights = _weights.Pointer + (row * Tokens);
        ushort* exponents = _weightExponents.Pointer + (row * Tokens);
        for (int k = 0; k < Tokens; k += 16)
        {
            var p = VectorExp2Bf16.Evaluate(Vector512.FusedMultiplyAdd(Vector512.Load(scores + k), c, minusMc));
            (p << 16).AsSingle().Store(weights + k);
            var fields = p & Vector512.Create(0x7F80u);
            Vector256.Narrow(fields.GetLower(), fields.GetUpper()).Store(exponents + k);
        }

        ulong* pairs = (ulong*)weights;
        uint* column = _transposed.Pointer + row;
        for (int pair = 0; pair < Tokens / 2; pair++)
        {
            ulong two = pairs[pair];
            column[pair * 16] = ((uint)two >> 16) | ((uint)(two >> 32) & 0xFFFF0000u);
        }

        float rescale = Transcendentals.Exp2((_max[row] - m) * _factor);
        _max[row] = m;
        _sums.Pointer[row] *= rescale;
        var factor = Vector512.Create(rescale);
        float* o = _out.Pointer + (row * _cache.HeadDim);
        for (int d = 0; d < _cache.HeadDim; d += 16)
        {
            (Vector512.Load(o + d) * factor).Store(o + d);
        }

        return finite;
    }

    private static float Largest(Vector512<float> v)
    {
        var a = Vector256.ConditionalSelect(Vector256.GreaterThan(v.GetLower(), v.GetUpper()), v.GetLower(), v.GetUpper());
        var b = Vector128.ConditionalSelect(Vector128.GreaterThan(a.GetLower(), a.GetUpper()), a.GetLower(), a.GetUpper());
        float low = b.GetElement(0) > b.GetElement(1) ? b.GetElement(0) : b.GetElement(1);
        float high = b.GetElement(2) > b.GetElement(3) ? b.GetElement(2) : b.GetElement(3);
        return low > high ? low : high;
    }

    private void Merge(int segment)
    {
        int headDim = _cache.HeadDim;
        for (int r = 0; r < _count; r++)
        {
            if (segment > _positions[r])
            {
                continue; // only later rows of the part reach into this segment
            }

            float* o = _out.Pointer + (r * headDim);
            float* merged = _merged.Pointer + (r * headDim);
            if (segment == 0)
            {
                new Span<float>(o, headDim).CopyTo(new Span<float>(merged, headDim));
                (_mergedMax[r], _mergedSum[r]) = (_max[r], _sums.Pointer[r]);
                continue;
            }

            float m = _max[r] > _mergedMax[r] ? _max[r] : _mergedMax[r];
            float a = Transcendentals.Exp2((_mergedMax[r] - m) * _factor);
            float b = Transcendentals.Exp2((_max[r] - m) * _factor);
            for (int d = 0; d < headDim; d += 16)
            {
                Vector512.FusedMultiplyAdd(Vector512.Load(o + d), Vector512.Create(b), Vector512.Load(merged + d) * Vector512.Create(a)).Store(merged + d);
            }

            _mergedSum[r] = MathF.FusedMultiplyAdd(_sums.Pointer[r], b, _mergedSum[r] * a);
            _mergedMax[r] = m;
        }
    }

    private static NativeBuffer<float> Filled(float value)
    {
        var buffer = new NativeBuffer<float>(Tokens);
        new Span<float>(buffer.Pointer, Tokens).Fill(value);
        return buffer;
    }

    private static NativeBuffer<ushort> FilledExponents()
    {
        var buffer = new NativeBuffer<ushort>(Tokens);
        new Span<ushort>(buffer.Pointer, Tokens).Fill(Bf16.One);
        return buffer;
    }
}
