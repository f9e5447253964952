using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Grid.Models.Tests.Support;

/// <summary>Values of the transformers library for one checkpoint, as Reference/make_reference.py writes them: computed in
/// fp32 from the bf16 weights.</summary>
/// <param name="Versions">Of torch and transformers.</param>
/// <param name="Cases">The prompts.</param>
public sealed record ReferenceValues(
    [property: JsonPropertyName("versions")] IReadOnlyDictionary<string, string> Versions,
    [property: JsonPropertyName("cases")] IReadOnlyList<ReferenceCase> Cases)
{
    private float[] _values = [];

    /// <summary>The folder of reference files.</summary>
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "Reference");

    /// <summary>Reads reference-NAME.json and reference-NAME.f32.</summary>
    public static ReferenceValues Read(string name)
    {
        byte[] json = File.ReadAllBytes(Path.Combine(Folder, $"reference-{name}.json"));
        var values = JsonSerializer.Deserialize<ReferenceValues>(json)!;
        byte[] floats = File.ReadAllBytes(Path.Combine(Folder, $"reference-{name}.f32"));
        values._values = MemoryMarshal.Cast<byte, float>(floats).ToArray();
        return values;
    }

    /// <summary>An array's values, [positions, width].</summary>
    public double[] Values(ReferenceArray array) =>
        Array.ConvertAll(_values[array.Offset..(array.Offset + array.Shape.Aggregate(1, (a, b) => a * b))], v => (double)v);
}

/// <summary>One prompt.</summary>
/// <param name="Prompt">Its token ids.</param>
/// <param name="Positions">The positions whose values are recorded.</param>
/// <param name="Arrays">embedding, layer_0 …, final_norm, logits.</param>
/// <param name="Noise">For each array, how far the library's own bf16 computation lies from its fp32 one, over the whole
/// prompt.</param>
/// <param name="Continuation">The greedy continuation.</param>
/// <param name="Gaps">Per step, the gap between the two highest logits.</param>
public sealed record ReferenceCase(
    [property: JsonPropertyName("prompt")] int[] Prompt,
    [property: JsonPropertyName("positions")] int[] Positions,
    [property: JsonPropertyName("arrays")] IReadOnlyList<ReferenceArray> Arrays,
    [property: JsonPropertyName("bfloat16")] IReadOnlyDictionary<string, ReferenceNoise> Noise,
    [property: JsonPropertyName("continuation")] int[] Continuation,
    [property: JsonPropertyName("gaps")] double[] Gaps);

/// <summary>Where an array lies in the file of values.</summary>
public sealed record ReferenceArray(
    [property: JsonPropertyName("name")] string Name,
    [property: JsonPropertyName("shape")] int[] Shape,
    [property: JsonPropertyName("offset")] int Offset);

/// <summary>A distance between two computations of one array.</summary>
public sealed record ReferenceNoise(
    [property: JsonPropertyName("max_abs")] double MaxAbs,
    [property: JsonPropertyName("relative_l2")] double RelativeL2);
