using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using Grid.Numerics;

namespace Grid.Models.Tests.Support;

/// <summary>Writes safetensors files, right ones and wrong ones.</summary>
public sealed class SafetensorsBuilder
{
    private readonly List<byte> _data = [];

    /// <summary>The header; tests break it at will.</summary>
    public JsonObject Header { get; } = [];

    public SafetensorsBuilder AddBf16(string name, int[] shape, ushort[] values) =>
        Add(name, "BF16", shape, MemoryMarshal.AsBytes<ushort>(values));

    public SafetensorsBuilder AddF16(string name, int[] shape, Half[] values) =>
        Add(name, "F16", shape, MemoryMarshal.AsBytes<Half>(values));

    public SafetensorsBuilder AddF32(string name, int[] shape, float[] values) =>
        Add(name, "F32", shape, MemoryMarshal.AsBytes<float>(values));

    public SafetensorsBuilder Add(string name, string type, int[] shape, ReadOnlySpan<byte> bytes)
    {
        long begin = _data.Count;
        _data.AddRange(bytes);
        Header[name] = new JsonObject
        {
            ["dtype"] = type,
            ["shape"] = new JsonArray([.. shape.Select(d => (JsonNode)d)]),
            ["data_offsets"] = new JsonArray(begin, (long)_data.Count),
        };
        return this;
    }

    public byte[] Build() => Build(Header.ToJsonString());

    public byte[] Build(string header)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        byte[] file = new byte[8 + json.Length + _data.Count];
        BinaryPrimitives.WriteUInt64LittleEndian(file, (ulong)json.Length);
        json.CopyTo(file, 8);
        _data.CopyTo(file, 8 + json.Length);
        return file;
    }

    /// <summary>Seeded values around zero, of a size that weights have.</summary>
    public static ushort[] RandomBf16(Random random, int count)
    {
        ushort[] values = new ushort[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = Bf16.FromSingle((float)(random.NextDouble() - 0.5) * 0.2f);
        }

        return values;
    }
}
