namespace Grid.Resumption;

/// <summary>
/// Remembers answers, by what was asked, up to a number of bytes and for a time. An answer is bytes here: its gateway's own business.
/// What it holds may be dropped at any time, for it can be computed again.
/// </summary>
public interface IAnswerStore
{
    /// <summary>Bytes of all that it holds, as this node saw it last.</summary>
    long Bytes { get; }

    /// <summary>An answer; null when it is not held, or no longer.</summary>
    /// <param name="key">What was asked: printable ASCII.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task<byte[]?> FindAsync(string key, CancellationToken cancellationToken);

    /// <summary>Holds an answer from now on, in place of one that it may have had. Where there is no room, those go that were put first.</summary>
    /// <param name="key">What was asked.</param>
    /// <param name="answer">The answer.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task PutAsync(string key, ReadOnlyMemory<byte> answer, CancellationToken cancellationToken);

    /// <summary>Forgets an answer.</summary>
    Task RemoveAsync(string key, CancellationToken cancellationToken);
}
