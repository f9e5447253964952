using System.Text.Json;

namespace Grid.Models.Configuration;

/// <summary>
/// Reads the rotary embedding: transformers 4 writes rope_theta and rope_scaling, transformers 5 one rope_parameters.
/// What is said twice must agree.
/// </summary>
internal static class RopeConfigReader
{
    private const double DefaultTheta = 10000;
    private const int MaxPositions = 1 << 24;

    /// <summary>Reads theta and, where there is one, the scaling.</summary>
    /// <param name="fields">config.json.</param>
    /// <param name="maxPositions">The original context length where the scaling does not name it.</param>
    public static (double Theta, Llama3RopeScaling? Scaling) Read(JsonFields fields, int maxPositions)
    {
        var parameters = ReadObject(fields, "rope_parameters", maxPositions);
        var classic = ReadObject(fields, "rope_scaling", maxPositions);
        if (parameters is { } five && classic is { } four && five.Scaling != four.Scaling)
        {
            throw fields.Error("rope_scaling", fields.Require("rope_scaling", ""), "it must agree with rope_parameters");
        }

        double? nested = parameters?.Theta ?? classic?.Theta;
        return (ReadTheta(fields, nested), parameters is null ? classic?.Scaling : parameters.Value.Scaling);
    }

    private static double ReadTheta(JsonFields fields, double? nested)
    {
        if (fields.Find("rope_theta") is { } value)
        {
            double theta = fields.Number("rope_theta", value, 1);
            return nested is null || nested == theta
                ? theta
                : throw fields.Error("rope_theta", value, "it must agree with rope_parameters.rope_theta");
        }

        return nested is null && fields.IsPresent("rope_theta")
            ? throw fields.Error("rope_theta", "null", "it (or rope_parameters.rope_theta) must be a number of at least 1")
            : nested ?? DefaultTheta;
    }

    private static (double? Theta, Llama3RopeScaling? Scaling)? ReadObject(JsonFields fields, string name, int maxPositions)
    {
        if (fields.Find(name) is not { } element)
        {
            return null;
        }

        var rope = fields.Object(name, element);
        double? theta = rope.Find("rope_theta") is { } value ? rope.Number("rope_theta", value, 1) : null;
        if (rope.Find("partial_rotary_factor") is { } part && rope.Number("partial_rotary_factor", part, 0) != 1)
        {
            throw rope.Error("partial_rotary_factor", part, "it must be 1: whole heads are rotated");
        }

        string type = ReadType(rope);
        var scaling = type == "llama3" ? ReadLlama3(rope, maxPositions) : null;
        foreach (var field in rope.Unread)
        {
            if (field.Value.ValueKind != JsonValueKind.Null)
            {
                throw rope.Error(field.Name, field.Value, $"rotary embeddings of type {type} have no such parameter");
            }
        }

        return (theta, scaling);
    }

    private static string ReadType(JsonFields rope)
    {
        string? type = rope.Text("type");
        string name = rope.IsPresent("rope_type") ? "rope_type" : "type";
        string chosen = rope.Text("rope_type") ?? type ?? "default";
        if (chosen is not ("default" or "llama3"))
        {
            throw rope.Error(name, $"'{chosen}'", "it must be default or llama3: no other kind of rotary embedding is supported");
        }

        return type is null || type == chosen ? chosen : throw rope.Error("type", $"'{type}'", "it must agree with rope_type");
    }

    private static Llama3RopeScaling ReadLlama3(JsonFields rope, int maxPositions)
    {
        double factor = Required(rope, "factor", 1);
        double low = Required(rope, "low_freq_factor", 0);
        double high = Required(rope, "high_freq_factor", 0);
        int original = rope.Count("original_max_position_embeddings", MaxPositions, maxPositions);
        if (low == 0)
        {
            throw rope.Error("low_freq_factor", "0", "it must be above 0");
        }

        return high > low
            ? new Llama3RopeScaling(factor, low, high, original)
            : throw rope.Error("high_freq_factor", rope.Require("high_freq_factor", ""), "it must be above low_freq_factor");
    }

    private static double Required(JsonFields rope, string name, double minimum) =>
        rope.Number(name, rope.Require(name, "rotary scaling of type llama3 needs it"), minimum);
}
