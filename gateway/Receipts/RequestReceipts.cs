using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Grid.Gateway.Requests;
using Grid.Gateway.Resuming;
using Grid.Gateway.Running;

namespace Grid.Gateway.Receipts;

/// <summary>The receipts of one request's sequences: made as each ends, for its answer, and kept for who asks later.</summary>
/// <param name="plan">The request.</param>
/// <param name="request">Its id, under which they are kept.</param>
/// <param name="signer">Signs them.</param>
/// <param name="keeper">Keeps them.</param>
internal sealed class RequestReceipts(RequestPlan plan, Guid request, ReceiptSigner signer, RequestKeeper keeper)
{
    private readonly List<Task<bool>> _keeping = [];

    /// <summary>A sequence has ended: its transcript has a receipt then, if it has one.</summary>
    public void End(Transcript transcript)
    {
        if (transcript.Plan.Spec.Generation.Digests && Receipt.Of(plan.Model.Id, plan.Model.NumericsId, transcript) is { } receipt)
        {
            transcript.Receipt = signer.Sign(receipt).Write();
            // No name of a key has a line feed.
            _keeping.Add(keeper.KeepAsync(NameOf(request, transcript.Index), [.. Encoding.UTF8.GetBytes($"{plan.Tenant}\n"), .. transcript.Receipt]));
        }
    }

    /// <summary>Waits for the store, which does not take long; whether it has one at least.</summary>
    public async Task<bool> KeptAsync() => (await Task.WhenAll(_keeping)).Any(kept => kept);

    /// <summary>A receipt that is kept, for who asked for its answer; null where there is none. Throws as the store does.</summary>
    public static async Task<byte[]?> FindAsync(RequestKeeper keeper, Guid request, int index, string? tenant, CancellationToken cancellationToken)
    {
        if (await keeper.FindAsync(NameOf(request, index), cancellationToken) is not { } record)
        {
            return null;
        }
        int end = Array.IndexOf(record, (byte)'\n');
        return Encoding.UTF8.GetString(record, 0, end) == (tenant ?? "") ? record[(end + 1)..] : null;
    }

    /// <summary>What the store knows a receipt by: another name than the request's, which it may keep, too.</summary>
    private static Guid NameOf(Guid request, int index)
    {
        Span<byte> hashed = stackalloc byte[16 + sizeof(int)];
        request.TryWriteBytes(hashed);
        BinaryPrimitives.WriteInt32LittleEndian(hashed[16..], index);
        return new Guid(SHA256.HashData(hashed).AsSpan(0, 16));
    }
}
