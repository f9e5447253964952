using System.Security.Cryptography;

namespace Grid.Options;

/// <summary>A file that an option names.</summary>
/// <param name="Option">The option, as a sentence about it names it.</param>
/// <param name="Path">Where it is.</param>
public sealed record OptionFile(string Option, string Path)
{
    /// <summary>Its bytes. Throws <see cref="StartException"/>.</summary>
    public byte[] Read()
    {
        try
        {
            return File.ReadAllBytes(Path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Wrong($"which cannot be read: {exception.Message}");
        }
    }

    /// <summary>A sentence about it. None may quote what the file holds.</summary>
    public StartException Wrong(string what) => new($"{Option} is '{Path}', {what}", StartException.Usage);
}

/// <summary>
/// What files say, and what they say later: a renewed certificate, a key that was taken back. They are looked at when somebody asks, once
/// a second at most. What cannot be used leaves what was read before.
/// </summary>
/// <typeparam name="T">What they say.</typeparam>
public sealed class ReloadedFiles<T> where T : class
{
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);

    private readonly IReadOnlyList<OptionFile> _files;
    private readonly Func<IReadOnlyList<byte[]>, T> _understand;
    private readonly TimeProvider _time;
    private readonly Lock _looking = new();
    private byte[] _seen;
    private string? _fault;
    private T _current;
    private long _lookedAt;

    /// <param name="files">The files.</param>
    /// <param name="understand">Makes of their contents what they say. Throws <see cref="StartException"/>, as this constructor does.</param>
    /// <param name="time">The clock; null for the system's.</param>
    public ReloadedFiles(IReadOnlyList<OptionFile> files, Func<IReadOnlyList<byte[]>, T> understand, TimeProvider? time = null)
    {
        (_files, _understand, _time) = (files, understand, time ?? TimeProvider.System);
        byte[][] contents = Read();
        (_current, _seen, _lookedAt) = (understand(contents), DigestOf(contents), _time.GetTimestamp());
    }

    /// <summary>Told, once each time that it happens, why files that have changed are not used.</summary>
    public Action<StartException>? Kept { get; set; }

    /// <summary>What they say.</summary>
    public T Current
    {
        get
        {
            if (_time.GetElapsedTime(Volatile.Read(ref _lookedAt)) >= s_pause && _looking.TryEnter())
            {
                try
                {
                    Look();
                    Volatile.Write(ref _lookedAt, _time.GetTimestamp());
                }
                finally
                {
                    _looking.Exit();
                }
            }

            return Volatile.Read(ref _current);
        }
    }

    private void Look()
    {
        try
        {
            byte[][] contents = Read();
            byte[] digest = DigestOf(contents);
            if (!digest.AsSpan().SequenceEqual(_seen))
            {
                Volatile.Write(ref _current, _understand(contents));
                _seen = digest;
            }

            _fault = null;
        }
        catch (StartException fault)
        {
            if (_fault != fault.Message)
            {
                _fault = fault.Message;
                Kept?.Invoke(fault);
            }
        }
    }

    private byte[][] Read() => [.. _files.Select(file => file.Read())];

    private static byte[] DigestOf(byte[][] contents) => SHA256.HashData([.. contents.SelectMany(SHA256.HashData)]);
}
