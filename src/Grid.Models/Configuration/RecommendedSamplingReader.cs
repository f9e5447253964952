using System.Text.Json;
using Grid.Numerics;

namespace Grid.Models.Configuration;

/// <summary>
/// Reads the sampling parameters of generation_config.json: those that vLLM and SGLang read. As there, all other
/// fields are for transformers' own generate() and are not looked at: do_sample, num_beams, max_new_tokens,
/// no_repeat_ngram_size, suppress_tokens and the like. Nor are transformers' own defaults for absent fields (top_k 50).
/// </summary>
internal static class RecommendedSamplingReader
{
    /// <summary>Reads and checks the parameters, in the ranges that requests have; what the file leaves out is as the OpenAI API has it.</summary>
    /// <param name="generationConfig">The bytes of generation_config.json.</param>
    public static SamplingParameters Read(byte[] generationConfig)
    {
        var sampling = new SamplingParameters();
        var fields = JsonFields.Parse(ModelConfigReader.GenerationConfigFile, generationConfig);
        foreach (var parameter in RecommendedParameter.All)
        {
            if (fields.Find(parameter.Name) is { } value)
            {
                sampling = (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) ? parameter.Set(sampling, number) : null)
                    ?? throw fields.Error(parameter.Name, value, $"it must be {parameter.Rule}; --sampling-defaults openai serves without these fields");
            }
        }

        return sampling;
    }
}
