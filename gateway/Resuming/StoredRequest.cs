using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Gateway.Running;

namespace Grid.Gateway.Resuming;

/// <summary>
/// A streamed request as it is kept: its plan, with everything that was drawn or looked up when it was made, so that
/// running it again says the same in the same words.
/// </summary>
internal sealed record StoredRequest
{
    /// <summary>Of this form of the record.</summary>
    public const int CurrentVersion = 2;

    private static readonly StoredRequestJson s_json = new(new JsonSerializerOptions
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    });

    public required int Version { get; init; }

    public required DateTimeOffset Created { get; init; }

    /// <summary>The model's name.</summary>
    public required string Model { get; init; }

    /// <summary>The bits that were promised.</summary>
    public required string NumericsId { get; init; }

    /// <summary>What to run and how to answer; without the model.</summary>
    public required RequestPlan Plan { get; init; }

    /// <summary>SHA-256 of each prompt's ids.</summary>
    public required string[] Digests { get; init; }

    /// <summary>The record of a request whose sequences have started.</summary>
    public static byte[] Write(RequestPlan plan, IReadOnlyList<Transcript> transcripts, DateTimeOffset created) =>
        JsonSerializer.SerializeToUtf8Bytes(new StoredRequest
        {
            Version = CurrentVersion,
            Created = created,
            Model = plan.Model.Id,
            NumericsId = plan.Model.NumericsId,
            Plan = plan with { Sequences = [.. transcripts.Select(Settled)] },
            Digests = [.. transcripts.DistinctBy(transcript => transcript.Plan.PromptIndex).Select(transcript => Digest(transcript.PromptIds))],
        }, s_json.StoredRequest);

    /// <summary>Reads a record; null when it is of another version than this gateway's.</summary>
    public static StoredRequest? Read(byte[] record)
    {
        using var document = JsonDocument.Parse(record);
        return document.RootElement.GetProperty(nameof(Version)).GetInt32() == CurrentVersion
            ? document.Deserialize(s_json.StoredRequest)
            : null;
    }

    /// <summary>Throws <see cref="ApiException"/> (409) where a prompt has become other ids than at first.</summary>
    public void RequireSamePrompts(IReadOnlyList<Transcript> transcripts)
    {
        if (transcripts.Any(transcript => !transcript.IsKnown && Digests[transcript.Plan.PromptIndex] != Digest(transcript.PromptIds)))
        {
            throw ApiErrors.Conflict("tokenizer_changed",
                "The model's tokenizer is another than when the stream was begun; send the request again.");
        }
    }

    /// <summary>A sequence as it runs: under its id, and with a number of new tokens where as many as the context allowed were asked
    /// for. The workers may be others when it goes on.</summary>
    private static PlannedSequence Settled(Transcript transcript)
    {
        var plan = transcript.Plan;
        var generation = plan.Spec.Generation with { MaxNewTokens = transcript.MaxNewTokens ?? plan.Spec.Generation.MaxNewTokens };
        return plan with
        {
            PublicId = transcript.Id,
            KnownPromptTokens = transcript.PromptTokens,
            Spec = plan.Spec with { Generation = generation },
        };
    }

    private static string Digest(IReadOnlyList<int> ids) =>
        Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<int>(ids as int[] ?? [.. ids])));
}

/// <summary>The record's JSON.</summary>
[JsonSerializable(typeof(StoredRequest))]
internal sealed partial class StoredRequestJson : JsonSerializerContext;
