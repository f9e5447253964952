namespace Grid.Gateway.Resuming;

/// <summary>A stream that goes on after an event.</summary>
/// <param name="Stored">The request.</param>
/// <param name="Position">What the client has.</param>
internal sealed record ResumedRequest(StoredRequest Stored, StreamPosition Position);
