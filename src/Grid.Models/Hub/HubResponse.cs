using System.Net.Http.Headers;

namespace Grid.Models.Hub;

/// <summary>An answer after its redirects, and what the hub itself said on the way: storage behind it has headers of its
/// own, which mean something else.</summary>
internal sealed class HubResponse : IDisposable
{
    public HubResponse(HttpResponseMessage message) => Message = message;

    /// <summary>The last answer.</summary>
    public HttpResponseMessage Message { get; }

    /// <summary>X-Linked-Etag, or the ETag of a file that the hub serves itself; without quotes.</summary>
    public string? ETag { get; init; }

    /// <summary>Whether <see cref="ETag"/> is X-Linked-Etag.</summary>
    public bool IsLinked { get; init; }

    /// <summary>X-Linked-Size, or the length of a file that the hub serves itself.</summary>
    public long? Size { get; init; }

    /// <summary>An ETag that names these exact bytes, for If-Range; null for a weak or missing one.</summary>
    public EntityTagHeaderValue? StrongETag => Message.Headers.ETag is { IsWeak: false } tag ? tag : null;

    /// <inheritdoc/>
    public void Dispose() => Message.Dispose();
}
