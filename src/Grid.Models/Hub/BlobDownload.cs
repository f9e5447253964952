using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;

namespace Grid.Models.Hub;

/// <summary>
/// Brings one file's content into the cache: into ETAG.incomplete first, going on from where any earlier attempt ended,
/// and under its name only when length and checksum are right.
/// </summary>
internal sealed class BlobDownload : IDisposable
{
    private const int BufferBytes = 256 << 10;

    private readonly HubFile _file;
    private readonly FileStream _part;
    private readonly ProgressCounter _progress;
    private readonly Func<RangeHeaderValue?, RangeConditionHeaderValue?, StallWatch, Task<HubResponse>> _send;
    private readonly Func<CancellationToken, StallWatch> _watch;
    private readonly Retries _retries;
    private IncrementalHash _hash;
    private long _length;
    private long _longest;
    private long _earlier;
    private int _sources;
    private EntityTagHeaderValue? _tag;

    /// <param name="file">What is wanted.</param>
    /// <param name="part">The growing file, open for this process alone.</param>
    /// <param name="send">Asks for the file.</param>
    /// <param name="watch">Makes a watch for one attempt.</param>
    /// <param name="retries">Waits between attempts.</param>
    /// <param name="progress">Counts bytes.</param>
    public BlobDownload(
        HubFile file, FileStream part, Func<RangeHeaderValue?, RangeConditionHeaderValue?, StallWatch, Task<HubResponse>> send,
        Func<CancellationToken, StallWatch> watch, Retries retries, ProgressCounter progress)
    {
        _file = file;
        _part = part;
        _send = send;
        _watch = watch;
        _retries = retries;
        _progress = progress;
        _hash = file.StartHash();
    }

    /// <summary>Completes the part and checks it; <see cref="HubException"/> says why that is not possible.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await TakeEarlierBytesAsync(cancellationToken);
        for (bool again = false; ; again = true)
        {
            await FillAsync(cancellationToken);
            string checksum = Convert.ToHexStringLower(_hash.GetHashAndReset());
            if (checksum == _file.ETag)
            {
                _part.Flush(flushToDisk: true);
                return;
            }

            // Parts of different attempts may be parts of different files; bytes of one piece have no excuse.
            bool pieced = _sources > 1 && !again;
            Empty();
            if (!pieced)
            {
                throw new HubException($"{_file.Name}: its content has the checksum {checksum}, and the hub promises {_file.ETag}; it was deleted, so try again, and if it stays so do not trust the source.");
            }

            _longest = 0;
            await _retries.WaitAsync(new HubTransientException("its parts do not make the whole; it starts anew"), cancellationToken);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _hash.Dispose();

    private async Task FillAsync(CancellationToken cancellationToken)
    {
        while (_length < _file.Size)
        {
            try
            {
                using var watch = _watch(cancellationToken);
                await FetchAsync(watch, cancellationToken);
            }
            catch (HubTransientException transient)
            {
                await _retries.WaitAsync(transient, cancellationToken);
            }
        }
    }

    private async Task FetchAsync(StallWatch watch, CancellationToken cancellationToken)
    {
        long start = _length;
        var range = start > 0 ? new RangeHeaderValue(start, null) : null;
        var ifRange = range is not null && _tag is not null ? new RangeConditionHeaderValue(_tag) : null;
        using var response = await _send(range, ifRange, watch);
        CheckPromises(response);
        _tag = response.StrongETag;
        if (response.Message.StatusCode != HttpStatusCode.PartialContent && start > 0)
        {
            Empty(); // The whole file comes: the server knows no ranges, or has another file now.
        }

        if (response.Message.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            throw new HubTransientException("the server has no such part of the file any more");
        }

        CheckLength(response.Message.Content.Headers);
        _sources++;
        var body = await response.Message.Content.ReadAsStreamAsync(cancellationToken);
        await using (body.ConfigureAwait(false))
        {
            await CopyAsync(body, watch, cancellationToken);
        }
    }

    private async Task CopyAsync(Stream body, StallWatch watch, CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            while (true)
            {
                int count = await ReadAsync(body, buffer, watch);
                if (count > _file.Size - _length)
                {
                    Empty();
                    throw new HubException($"{_file.Name}: more than the {_file.Size} bytes come that the hub promises; it was deleted, so try again, and if it stays so do not trust the source.");
                }

                if (count == 0 && _length < _file.Size)
                {
                    throw new HubTransientException(string.Create(
                        CultureInfo.InvariantCulture, $"the connection ended after {_length} of {_file.Size} bytes"));
                }

                if (count == 0)
                {
                    return;
                }

                await _part.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
                Count(buffer.AsSpan(0, count));
                _progress.Arrived(count);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async Task<int> ReadAsync(Stream body, byte[] buffer, StallWatch watch)
    {
        try
        {
            watch.Touch();
            return await body.ReadAsync(buffer, watch.Token);
        }
        catch (Exception exception) when (watch.AsTransient(exception) is { } transient)
        {
            throw transient;
        }
    }

    private void CheckPromises(HubResponse response)
    {
        bool otherContent = response.IsLinked && response.ETag != _file.ETag;
        if (otherContent || (response.IsLinked && response.Size is { } size && size != _file.Size))
        {
            throw new HubException($"{_file.Name}: the hub lists {_file.ETag} of {_file.Size} bytes and serves {response.ETag} of {response.Size} bytes; nothing of it is used, so try again later.");
        }

        string? encoding = response.Message.Content.Headers.ContentEncoding.FirstOrDefault(name => name != "identity");
        if (encoding is not null)
        {
            throw new HubException($"{_file.Name}: it comes encoded as {encoding}, which was not asked for; check the proxy.");
        }
    }

    private void CheckLength(HttpContentHeaders headers)
    {
        long? total = headers.ContentRange is { } range ? range.Length : headers.ContentLength + _length;
        if (headers.ContentRange is { } part && (part.Unit != "bytes" || part.From != _length))
        {
            throw new HubException($"{_file.Name}: another part comes ({part}) than the one asked for, from {_length} on; check the proxy.");
        }

        if (total is { } length && length != _file.Size)
        {
            Empty();
            throw new HubException($"{_file.Name}: the server offers {length} bytes, and the hub promises {_file.Size}; it was deleted, so try again, and if it stays so do not trust the source.");
        }
    }

    private async Task TakeEarlierBytesAsync(CancellationToken cancellationToken)
    {
        if (_part.Length > _file.Size)
        {
            Empty();
        }

        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            _part.Position = 0;
            int count;
            while ((count = await _part.ReadAsync(buffer, cancellationToken)) > 0)
            {
                Count(buffer.AsSpan(0, count));
                _progress.Present(count);
                _earlier += count;
                _sources = 1;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void Count(ReadOnlySpan<byte> bytes)
    {
        _hash.AppendData(bytes);
        _length += bytes.Length;
        if (_length > _longest)
        {
            _longest = _length;
            _retries.Progressed();
        }
    }

    private void Empty()
    {
        _part.SetLength(0);
        _part.Position = 0;
        _progress.Arrived(_earlier - _length);
        _progress.Present(-_earlier);
        _earlier = 0;
        _hash.Dispose();
        _hash = _file.StartHash();
        _length = 0;
        _sources = 0;
        _tag = null;
    }
}
