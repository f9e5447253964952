using Grid.Grains.Messages;

namespace Grid.Resumption;

/// <summary>
/// Keeps what streamed requests asked for, so that any gateway can run one again and go on with its stream. A request is
/// bytes here: its gateway's own business. Nothing of an answer is kept, for a request has only one.
/// </summary>
public interface IRequestStore
{
    /// <summary>How long a request is kept after its stream ended.</summary>
    TimeSpan Retention { get; }

    /// <summary>Keeps a request, in epoch 0. One that is kept already stays as it is: whoever was not told that it is may ask
    /// again.</summary>
    /// <param name="id">Its name.</param>
    /// <param name="request">What was asked for.</param>
    /// <param name="owner">The gateway that streams it.</param>
    /// <param name="life">How long it is kept, unless renewed.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task PutAsync(Guid id, ReadOnlyMemory<byte> request, string owner, TimeSpan life, CancellationToken cancellationToken);

    /// <summary>A request; null when it is not kept, or no longer.</summary>
    Task<byte[]?> FindAsync(Guid id, CancellationToken cancellationToken);

    /// <summary>Makes a gateway the owner of a request, under the next epoch; null when it is not kept, or no longer.</summary>
    Task<RequestClaim?> ClaimAsync(Guid id, string owner, TimeSpan life, CancellationToken cancellationToken);

    /// <summary>Keeps requests for longer, where they are still kept, and lets go of what has expired.</summary>
    Task RenewAsync(IReadOnlyCollection<Guid> ids, TimeSpan life, CancellationToken cancellationToken);
}
