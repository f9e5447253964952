using System.Text.Json;
using Grid.Numerics;

namespace Grid.Models.Configuration;

/// <summary>
/// Reads the sampling parameters of generation_config.json: the five that vLLM and SGLang read. As there, all other
/// fields are for transformers' own generate() and are not looked at: do_sample, num_beams, max_new_tokens,
/// no_repeat_ngram_size, suppress_tokens and the like. Nor are transformers' own defaults for absent fields (top_k 50).
/// </summary>
internal static class RecommendedSamplingReader
{
    private const float MaxTemperature = 1e6f;
    private const float MinRepetitionPenalty = 0.01f;
    private const float MaxRepetitionPenalty = 100;

    /// <summary>Reads and checks the parameters, in the ranges that requests have; what the file leaves out is as the OpenAI API has it.</summary>
    /// <param name="generationConfig">The bytes of generation_config.json.</param>
    public static SamplingParameters Read(byte[] generationConfig)
    {
        var silent = new SamplingParameters();
        var fields = JsonFields.Parse(ModelConfigReader.GenerationConfigFile, generationConfig);
        return silent with
        {
            Temperature = Number(fields, "temperature", value => value is >= 0 and <= MaxTemperature, "a number from 0 to 1000000") ?? silent.Temperature,
            TopP = Number(fields, "top_p", value => value is > 0 and <= 1, "a number above 0 and at most 1") ?? silent.TopP,
            TopK = TopK(fields) ?? silent.TopK,
            MinP = Number(fields, "min_p", value => value is >= 0 and <= 1, "a number from 0 to 1") ?? silent.MinP,
            RepetitionPenalty = Number(fields, "repetition_penalty",
                value => value is >= MinRepetitionPenalty and <= MaxRepetitionPenalty, "a number from 0.01 to 100") ?? silent.RepetitionPenalty,
        };
    }

    // The value is rounded to fp32 once, and it is the rounded one that must keep the rule: 1e-60 is 0.
    private static float? Number(JsonFields fields, string name, Func<float, bool> isAllowed, string rule)
    {
        if (fields.Find(name) is not { } value)
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && isAllowed((float)number)
            ? (float)number
            : throw fields.Error(name, value, $"it must be {rule}; --sampling-defaults openai serves without these fields");
    }

    private static int? TopK(JsonFields fields)
    {
        if (fields.Find("top_k") is not { } value)
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= -1
            ? Math.Max(number, 0)
            : throw fields.Error("top_k", value, "it must be an integer of at least -1 (-1 and 0 keep all tokens); --sampling-defaults openai serves without these fields");
    }
}
