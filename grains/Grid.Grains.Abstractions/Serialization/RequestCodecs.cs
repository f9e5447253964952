using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Grid.Numerics;
using Orleans.Serialization.Buffers;
using Orleans.Serialization.Cloning;
using Orleans.Serialization.Codecs;
using Orleans.Serialization.WireProtocol;

namespace Grid.Grains.Serialization;

/// <summary>
/// Puts records that know nothing of Orleans on the wire, as JSON by their own names: a field that is added to one is on the
/// wire by that. They are small and travel once a sequence, never once a token.
/// </summary>
internal abstract class RequestCodec<T>(JsonTypeInfo<T> form) : IFieldCodec<T> where T : class
{
    public void WriteField<TBufferWriter>(ref Writer<TBufferWriter> writer, uint fieldIdDelta, Type? expectedType, T? value)
        where TBufferWriter : System.Buffers.IBufferWriter<byte>
    {
        if (ReferenceCodec.TryWriteReferenceField(ref writer, fieldIdDelta, expectedType, value))
        {
            return;
        }

        byte[] json = JsonSerializer.SerializeToUtf8Bytes(value, form);
        writer.WriteFieldHeader(fieldIdDelta, expectedType, typeof(T), WireType.LengthPrefixed);
        writer.WriteVarUInt32((uint)json.Length);
        writer.Write(json);
    }

    public T ReadValue<TInput>(ref Reader<TInput> reader, Field field)
    {
        if (field.IsReference)
        {
            return ReferenceCodec.ReadReference<T, TInput>(ref reader, field)!;
        }

        field.EnsureWireType(WireType.LengthPrefixed);
        var value = JsonSerializer.Deserialize(reader.ReadBytes(reader.ReadVarUInt32()), form)!;
        ReferenceCodec.RecordObject(reader.Session, value);
        return value;
    }
}

[RegisterSerializer]
internal sealed class GenerationParametersCodec() : RequestCodec<GenerationParameters>(RequestJson.Default.GenerationParameters);

[RegisterSerializer]
internal sealed class SamplingParametersCodec() : RequestCodec<SamplingParameters>(RequestJson.Default.SamplingParameters);

[RegisterSerializer]
internal sealed class RefusalCodec() : RequestCodec<Refusal>(RequestJson.Default.Refusal);

// Immutable all of them.
[RegisterCopier]
internal sealed class GenerationParametersCopier : ShallowCopier<GenerationParameters>;

[RegisterCopier]
internal sealed class SamplingParametersCopier : ShallowCopier<SamplingParameters>;

[RegisterCopier]
internal sealed class RefusalCopier : ShallowCopier<Refusal>;

/// <summary>The records' JSON. Values that JSON has no number for are written all the same: they are refused where they are
/// checked.</summary>
[JsonSourceGenerationOptions(NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(GenerationParameters))]
[JsonSerializable(typeof(SamplingParameters))]
[JsonSerializable(typeof(Refusal))]
internal sealed partial class RequestJson : JsonSerializerContext;
