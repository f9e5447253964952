using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Gateway.Json;
using Grid.Gateway.Requests;
using Grid.Gateway.Running;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;

namespace Grid.Gateway.Receipts;

/// <summary>
/// One sequence as a receipt names it: all that its tokens depend on besides the model's bits, settled (a drawn seed, the most new
/// tokens that the context allowed), and nothing else. Its bytes are one text for one request: <see cref="Write"/>.
/// </summary>
/// <param name="Model">The model's name.</param>
/// <param name="PromptIds">The prompt.</param>
/// <param name="Generation">How it is generated, with a number of new tokens.</param>
/// <param name="Stops">Texts that end it.</param>
/// <param name="ShowsSpecialTokens">Whether a stop text may lie in special tokens.</param>
/// <param name="ShowsStop">Whether what ends it is a part of its text.</param>
internal sealed record CanonicalRequest(
    string Model, IReadOnlyList<int> PromptIds, GenerationParameters Generation, IReadOnlyList<string> Stops, bool ShowsSpecialTokens, bool ShowsStop)
{
    /// <summary>The request of a sequence that has run.</summary>
    public static CanonicalRequest Of(string model, Transcript transcript) => Of(model, transcript.PromptIds, transcript.Plan.Spec, transcript.MaxNewTokens);

    /// <summary>The request of a sequence. Where nothing is drawn its tokens do not depend on the seed, which is 0 then.</summary>
    /// <param name="model">The model's name.</param>
    /// <param name="promptIds">Its prompt.</param>
    /// <param name="spec">The rest.</param>
    /// <param name="maxNewTokens">Its most new tokens, settled.</param>
    public static CanonicalRequest Of(string model, IReadOnlyList<int> promptIds, SequenceSpec spec, int? maxNewTokens)
    {
        spec = spec.Generation.Sampling.Temperature == 0 ? spec.WithSeed(0) : spec;
        return new(model, promptIds, spec.Generation with { MaxNewTokens = maxNewTokens }, spec.StopStrings, spec.ShowsSpecialTokens, spec.ShowsStop);
    }

    /// <summary>Reads one, in any spelling and order of its fields. Throws <see cref="ApiException"/> with field, value and rule.</summary>
    /// <param name="field">The object.</param>
    /// <param name="service">The grid, which must serve the model with the bits.</param>
    /// <param name="numericsId">The bits.</param>
    public static CanonicalRequest Parse(JsonField field, ISequenceService service, string numericsId)
    {
        var fields = field.Object();
        string name = fields.Require("model", "a string").NonEmpty();
        var model = FindModel(service, name, numericsId);
        var prompt = fields.Require("prompt_ids", "a list of token ids");
        int[] promptIds = prompt.TokenIds();
        prompt.RequireItems("a list of at least one token id");
        int maxNewTokens = fields.Require("max_new_tokens", "an integer of at least 1").Int32(1);
        int minNewTokens = fields.Require("min_new_tokens", "an integer of at least 0").Int32(0, maxNewTokens);
        ulong seed = fields.Require("seed", "an integer of 64 bits").Seed();
        var spec = SamplingFields.Take(fields, model, openAi: false).WithSeed(seed);
        fields.RefuseOthers();
        if (spec.StopStrings.Length > 0)
        {
            ModelDirectory.RequireText(model, fields.PathOf("stop"), "it cannot be run");
        }
        return new(
            name, promptIds, spec.Generation with { MaxNewTokens = maxNewTokens, MinNewTokens = minNewTokens }, spec.StopStrings, spec.ShowsSpecialTokens, spec.ShowsStop);
    }

    /// <summary>Its bytes: JSON without white space, the fields in this order, numbers in the shortest form that gives them back, characters
    /// beyond ASCII as they are.</summary>
    public byte[] Write()
    {
        var bytes = new ArrayBufferWriter<byte>(1024);
        using var json = new Utf8JsonWriter(bytes, EventStream.WriterOptions);
        var sampling = Generation.Sampling;
        json.WriteStartObject();
        json.WriteString("model", Model);
        WriteList("prompt_ids", PromptIds, json.WriteNumberValue);
        json.WriteNumber("max_new_tokens", Generation.MaxNewTokens!.Value);
        json.WriteNumber("min_new_tokens", Generation.MinNewTokens);
        json.WriteNumber("temperature", sampling.Temperature);
        json.WriteNumber("top_p", sampling.TopP);
        json.WriteNumber("top_k", sampling.TopK);
        json.WriteNumber("min_p", sampling.MinP);
        json.WriteNumber("seed", Seeds.Shown(sampling.Seed));
        json.WriteNumber("frequency_penalty", sampling.FrequencyPenalty);
        json.WriteNumber("presence_penalty", sampling.PresencePenalty);
        json.WriteNumber("repetition_penalty", sampling.RepetitionPenalty);
        json.WriteStartObject("logit_bias");
        foreach (var (token, bias) in sampling.LogitBias)
        {
            json.WriteNumber(token.ToString(CultureInfo.InvariantCulture), bias);
        }
        json.WriteEndObject();
        WriteList("stop", Stops, json.WriteStringValue);
        WriteList("stop_token_ids", Generation.StopTokenIds, json.WriteNumberValue);
        json.WriteBoolean("ignore_eos", Generation.IgnoreEndTokens);
        json.WriteBoolean("skip_special_tokens", !ShowsSpecialTokens);
        json.WriteBoolean("no_stop_trim", ShowsStop);
        json.WriteEndObject();
        json.Flush();
        return bytes.WrittenSpan.ToArray();

        void WriteList<T>(string name, IReadOnlyList<T> items, Action<T> write)
        {
            json.WriteStartArray(name);
            foreach (var item in items)
            {
                write(item);
            }
            json.WriteEndArray();
        }
    }

    /// <summary>SHA-256 of its bytes, in hexadecimal digits.</summary>
    public static string DigestOf(byte[] written) => Convert.ToHexStringLower(SHA256.HashData(written));

    /// <summary>The sequence that it is, to be run with digests. Nothing that another sequence left in a prefix cache is used.</summary>
    public SequenceSpec ToSpec(ServedModel model) => new()
    {
        Model = model.Id,
        NumericsId = model.NumericsId,
        PromptIds = [.. PromptIds],
        Generation = Generation with { Digests = true, Logprobs = false, TopLogprobs = 0, PromptLogprobsFrom = null },
        StopStrings = [.. Stops],
        ShowsSpecialTokens = ShowsSpecialTokens,
        ShowsStop = ShowsStop,
        CacheSalt = $"recomputed\n{Guid.NewGuid():N}",
    };

    /// <summary>The model that has the bits, whatever it is called here. Throws <see cref="ApiException"/> where none has.</summary>
    public static ServedModel FindModel(ISequenceService service, string name, string numericsId)
    {
        if ((service.FindModel(name, numericsId) ?? service.Models.FirstOrDefault(model => model.NumericsId == numericsId)) is { } model)
        {
            return model;
        }
        var other = ModelDirectory.Find(service, name);
        throw ApiErrors.Conflict("numerics_changed",
            $"The receipt is of NumericsId {JsonShown.Text(numericsId)}; model {JsonShown.Text(name)} is served with {other.NumericsId}, which says nothing of it.");
    }
}
