using System.Globalization;
using System.Text;
using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Gateway.Json;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;
using Grid.Text;

namespace Grid.Gateway.Requests;

/// <summary>The sampling fields that the APIs share by name and meaning.</summary>
internal static class SamplingFields
{
    /// <summary>Most entries of stop and of stop_token_ids.</summary>
    public const int MaxStops = 16;

    /// <summary>Most entries of logit_bias.</summary>
    public const int MaxBiases = 1024;

    /// <summary>Most characters of a name that the client gives: user, rid.</summary>
    public const int MaxNameLength = 128;

    /// <summary>Most top logprobs at a position.</summary>
    public const int MaxTopLogprobs = 20;

    /// <summary>Most answers to one prompt.</summary>
    public const int MaxChoices = 128;

    private static readonly NumberRange OpenAiTemperature = new(0, 2);
    private static readonly NumberRange AnyTemperature = new(0, 1e6f);
    private static readonly NumberRange Share = new(0, 1);
    private static readonly NumberRange PositiveShare = new(0, 1, AboveMin: true);
    private static readonly NumberRange Penalty = new(-2, 2);
    private static readonly NumberRange RepetitionPenalty = new(0.01f, 100);
    private static readonly NumberRange Bias = new(-100, 100);

    /// <summary>
    /// Takes temperature, top_p, top_k, min_p, the penalties, logit_bias, stop, stop_token_ids and ignore_eos into a
    /// spec. Seed, prompt, lengths and logprobs are the caller's to fill.
    /// </summary>
    /// <param name="fields">The object that holds them.</param>
    /// <param name="model">Who is asked.</param>
    /// <param name="openAi">Whether the OpenAI API's range of temperatures holds, and the model's own defaults where the request
    /// is silent. SGLang's form has fixed ones: a trainer that gives a temperature must get the whole distribution.</param>
    public static SequenceSpec Take(JsonFields fields, ServedModel model, bool openAi)
    {
        var defaults = openAi ? model.Sampling : new SamplingParameters();
        return new SequenceSpec
        {
            Model = model.Id,
            Generation = new GenerationParameters
            {
                Sampling = new SamplingParameters
                {
                    Temperature = fields.Take("temperature")?.Single(openAi ? OpenAiTemperature : AnyTemperature) ?? defaults.Temperature,
                    TopP = fields.Take("top_p")?.Single(PositiveShare) ?? defaults.TopP,
                    // -1 is the field's older way to say "all", 0 is ours.
                    TopK = Math.Max(fields.Take("top_k")?.Int32(-1) ?? defaults.TopK, 0),
                    MinP = fields.Take("min_p")?.Single(Share) ?? defaults.MinP,
                    PresencePenalty = fields.Take("presence_penalty")?.Single(Penalty) ?? 0f,
                    FrequencyPenalty = fields.Take("frequency_penalty")?.Single(Penalty) ?? 0f,
                    RepetitionPenalty = fields.Take("repetition_penalty")?.Single(RepetitionPenalty) ?? defaults.RepetitionPenalty,
                    LogitBias = TakeLogitBias(fields),
                },
                StopTokenIds = TakeStopIds(fields),
                IgnoreEndTokens = fields.Take("ignore_eos")?.Boolean() ?? false,
            },
            StopStrings = TakeStops(fields),
            ShowsSpecialTokens = fields.TakeGiven("skip_special_tokens")?.Boolean() is false,
            ShowsStop = fields.Take("no_stop_trim")?.Boolean() ?? false,
        };
    }

    /// <summary>A spec with another seed.</summary>
    public static SequenceSpec WithSeed(this SequenceSpec spec, ulong seed) =>
        spec with { Generation = spec.Generation with { Sampling = spec.Generation.Sampling with { Seed = seed } } };

    /// <summary>Refuses a minimum above the maximum.</summary>
    public static void RequireOrder(JsonFields fields, string minName, int min, int? max)
    {
        if (min > max)
        {
            throw ApiErrors.WrongValue(fields.PathOf(minName), min.ToString(CultureInfo.InvariantCulture),
                string.Create(CultureInfo.InvariantCulture, $"at most the maximum of new tokens, {max}"));
        }
    }

    private static int[] TakeStopIds(JsonFields fields)
    {
        if (fields.Take("stop_token_ids") is not { } field)
        {
            return [];
        }
        return [.. field.TokenIds(MaxStops).Distinct().Order()];
    }

    private static string[] TakeStops(JsonFields fields)
    {
        if (fields.Take("stop") is not { } field)
        {
            return [];
        }
        string[] stops = field.Strings(MaxStops);
        int total = 0;
        for (int i = 0; i < stops.Length; i++)
        {
            int bytes = Encoding.UTF8.GetByteCount(stops[i]);
            total += bytes;
            if (bytes > StopStrings.MaxBytes)
            {
                throw ApiErrors.WrongValue(field.Kind == JsonValueKind.Array ? JsonField.ItemPath(field.Path, i) : field.Path,
                    JsonShown.Text(stops[i]), $"at most {StopStrings.MaxBytes} bytes of UTF-8 long");
            }
        }
        return total <= StopStrings.MaxTotalBytes ? stops : throw field.WrongValue($"at most {StopStrings.MaxTotalBytes} bytes of UTF-8 in all");
    }

    private static LogitBias[] TakeLogitBias(JsonFields fields)
    {
        if (fields.Take("logit_bias") is not { } field)
        {
            return [];
        }
        field.RequireFields(MaxBiases);
        var biases = field.Object();
        var byId = new SortedDictionary<int, float>();
        foreach (string? name in biases.Names.ToArray())
        {
            if (!int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int id))
            {
                throw ApiErrors.WrongValue(field.Path, $"keyed by {JsonShown.Text(name)}", "keyed by token ids");
            }
            float bias = biases.TakeGiven(name)?.Single(Bias) ?? throw ApiErrors.WrongType(biases.PathOf(name), "null", Bias.ToString());
            if (!byId.TryAdd(id, bias))
            {
                throw ApiErrors.Duplicate(biases.PathOf(name));
            }
        }
        return [.. byId.Select(bias => new LogitBias(bias.Key, bias.Value))];
    }
}
