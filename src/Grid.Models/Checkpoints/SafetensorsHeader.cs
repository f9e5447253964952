using System.Globalization;
using System.Text.Json;
using Grid.Models.Configuration;

namespace Grid.Models.Checkpoints;

/// <summary>Element types a weight may be stored in.</summary>
internal enum StoredType
{
    BF16,
    F16,
    F32,
}

/// <summary>One entry of a safetensors header; Offset is from the start of the tensor data.</summary>
internal sealed record StoredTensor(string Name, StoredType Type, int[] Shape, long Offset, long Length)
{
    /// <summary>Bytes of one element.</summary>
    public int ElementSize => Type == StoredType.F32 ? 4 : 2;

    /// <summary>The shape as it is written in messages and digests: [rows, columns].</summary>
    public string ShapeText => Format(Shape);

    /// <summary>A shape in words.</summary>
    public static string Format(IEnumerable<int> shape) =>
        $"[{string.Join(", ", shape.Select(d => d.ToString(CultureInfo.InvariantCulture)))}]";
}

/// <summary>
/// The header of a safetensors file: 8 bytes little-endian length N, N bytes JSON, then the tensor data, which the
/// entries must tile without gaps or overlaps up to the end of the file.
/// </summary>
internal static class SafetensorsHeader
{
    /// <summary>The length field.</summary>
    public const int PrefixBytes = 8;

    /// <summary>The format's own bound on the JSON.</summary>
    public const long MaxHeaderBytes = 100_000_000;

    private const string OffsetsRule =
        "it must be [begin, end], byte offsets into the tensor data with 0 <= begin <= end <= its length";

    /// <summary>Checks the length field against the file and returns the JSON's length.</summary>
    public static int CheckLength(string file, ulong headerBytes, long fileBytes)
    {
        long available = fileBytes - PrefixBytes;
        long maximum = Math.Min(available, MaxHeaderBytes);
        return headerBytes >= 2 && headerBytes <= (ulong)maximum
            ? (int)headerBytes
            : throw new ModelFormatException(file, "header length", $"{headerBytes}",
                $"it must be from 2 to {maximum} (at most {MaxHeaderBytes}, and the file goes on for {available} bytes)");
    }

    /// <summary>Parses and checks the JSON; dataBytes is what the file holds behind it. Entries come back in the order
    /// of their data.</summary>
    public static List<StoredTensor> Parse(string file, ReadOnlyMemory<byte> json, long dataBytes)
    {
        var header = JsonFields.Parse(file, json);
        var tensors = new List<StoredTensor>();
        foreach (var entry in header.All)
        {
            if (entry.Name != "__metadata__")
            {
                tensors.Add(ParseTensor(entry.Name, header.Object(entry.Name, entry.Value), dataBytes));
            }
        }

        tensors.Sort((a, b) => (a.Offset, a.Length).CompareTo((b.Offset, b.Length)));
        CheckTiling(file, tensors, dataBytes);
        return tensors;
    }

    private static StoredTensor ParseTensor(string name, JsonFields fields, long dataBytes)
    {
        foreach (var field in fields.All)
        {
            if (field.Name is not ("dtype" or "shape" or "data_offsets"))
            {
                throw fields.Error(field.Name, field.Value, "a tensor has dtype, shape and data_offsets only");
            }
        }

        var type = fields.Text("dtype") switch
        {
            "BF16" => StoredType.BF16,
            "F16" => StoredType.F16,
            "F32" => StoredType.F32,
            var other => throw fields.Error("dtype", other is null ? "absent" : $"'{other}'", "it must be BF16, F16 or F32"),
        };
        int[] shape = ParseShape(fields);
        (long begin, long end) = ParseOffsets(fields, dataBytes);
        var tensor = new StoredTensor(name, type, shape, begin, end - begin);
        return ByteLength(tensor) == tensor.Length
            ? tensor
            : throw fields.Error("data_offsets", $"[{begin}, {end}]", $"{type} of shape {tensor.ShapeText} does not take {end - begin} bytes");
    }

    private static int[] ParseShape(JsonFields fields)
    {
        const string Rule = "it must be a list of at most 8 integers of at least 0";
        var value = fields.Require("shape", Rule);
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() > 8)
        {
            throw fields.Error("shape", value, Rule);
        }

        int[] shape = new int[value.GetArrayLength()];
        for (int i = 0; i < shape.Length; i++)
        {
            if (value[i].ValueKind != JsonValueKind.Number || !value[i].TryGetInt32(out shape[i]) || shape[i] < 0)
            {
                throw fields.Error("shape", value, Rule);
            }
        }

        return shape;
    }

    private static (long Begin, long End) ParseOffsets(JsonFields fields, long dataBytes)
    {
        var value = fields.Require("data_offsets", OffsetsRule);
        bool two = value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 2
            && value[0].ValueKind == JsonValueKind.Number && value[1].ValueKind == JsonValueKind.Number;
        return two && value[0].TryGetInt64(out long begin) && value[1].TryGetInt64(out long end)
            && begin >= 0 && begin <= end && end <= dataBytes
            ? (begin, end)
            : throw fields.Error("data_offsets", value, $"{OffsetsRule} ({dataBytes}; is the file truncated?)");
    }

    /// <summary>Shape times element size; -1 where that leaves 64 bits.</summary>
    private static long ByteLength(StoredTensor tensor)
    {
        if (tensor.Shape.Contains(0))
        {
            return 0; // However large the others are.
        }

        var bytes = (UInt128)tensor.ElementSize;
        foreach (int dimension in tensor.Shape)
        {
            bytes *= (UInt128)dimension;
            if (bytes > long.MaxValue)
            {
                return -1;
            }
        }

        return (long)bytes;
    }

    private static void CheckTiling(string file, List<StoredTensor> tensors, long dataBytes)
    {
        long expected = 0;
        foreach (var tensor in tensors)
        {
            if (tensor.Offset != expected)
            {
                throw new ModelFormatException(file, $"{tensor.Name}.data_offsets", $"[{tensor.Offset}, {tensor.Offset + tensor.Length}]",
                    $"it must begin at {expected}, where the tensor before it ends: tensors neither overlap nor leave gaps");
            }

            expected += tensor.Length;
        }

        if (expected != dataBytes)
        {
            throw new ModelFormatException(file, "tensor data", $"{dataBytes} bytes", $"the header describes {expected} bytes");
        }
    }
}
