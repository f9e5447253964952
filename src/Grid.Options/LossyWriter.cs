using System.Text;

namespace Grid.Options;

/// <summary>Standard output or error of a process that goes on where they are full or closed: what it serves does not depend on who
/// reads along.</summary>
/// <param name="inner">Where to write.</param>
/// <param name="lost">Told once, with the reason, when something could not be written.</param>
internal sealed class LossyWriter(TextWriter inner, Action<string>? lost = null) : TextWriter
{
    private int _said;

    /// <summary>Whether something was lost.</summary>
    public bool HasLost => Volatile.Read(ref _said) != 0;

    /// <inheritdoc/>
    public override Encoding Encoding => inner.Encoding;

    /// <inheritdoc/>
    public override void Write(char value) => Try(() => inner.Write(value));

    /// <inheritdoc/>
    public override void Write(char[] buffer, int index, int count) => Try(() => inner.Write(buffer, index, count));

    /// <inheritdoc/>
    public override void Write(string? value) => Try(() => inner.Write(value));

    /// <inheritdoc/>
    public override void WriteLine(string? value) => Try(() => inner.WriteLine(value));

    /// <inheritdoc/>
    public override void Flush() => Try(inner.Flush);

    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            if (Interlocked.Exchange(ref _said, 1) == 0)
            {
                lost?.Invoke(exception.Message);
            }
        }
    }
}
