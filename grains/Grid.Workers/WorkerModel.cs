using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Grid.Grains.Messages;
using Grid.Numerics;

namespace Grid.Workers;

/// <summary>What one device serves.</summary>
/// <param name="Device">The device's name on its silo ("cpu"), last part of the worker's key.</param>
/// <param name="Description">The device in words.</param>
/// <param name="ModelId">The name clients use.</param>
/// <param name="NumericsId">Contract version and model digest.</param>
/// <param name="Text">The model's text files.</param>
/// <param name="Limits">What the worker takes at most.</param>
public sealed record WorkerModel(
    string Device, string Description, string ModelId, string NumericsId, TextFiles Text, WorkerLimits Limits)
{
    /// <summary>How requests are sampled that do not say.</summary>
    public SamplingParameters Sampling { get; init; } = new();

    /// <summary>What its weights are called.</summary>
    public string WeightVersion { get; init; } = WeightsRequest.DefaultVersion;

    /// <summary>When they were asked for; null for those that the worker came up with.</summary>
    public DateTimeOffset? WeightsSince { get; init; }

    /// <summary>Text files with their digest: SHA-256 over (length, name, length, content), ordered by name.</summary>
    public static TextFiles PackTextFiles(IReadOnlyDictionary<string, byte[]> files)
    {
        var ordered = files.OrderBy(file => file.Key, StringComparer.Ordinal)
            .Select(file => new TextFile { Name = file.Key, Content = file.Value }).ToArray();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in ordered)
        {
            Append(hash, Encoding.UTF8.GetBytes(file.Name));
            Append(hash, file.Content);
        }

        return new TextFiles { Digest = Convert.ToHexStringLower(hash.GetHashAndReset()), Files = ordered };
    }

    private static void Append(IncrementalHash hash, byte[] bytes)
    {
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, bytes.Length);
        hash.AppendData(length);
        hash.AppendData(bytes);
    }
}
