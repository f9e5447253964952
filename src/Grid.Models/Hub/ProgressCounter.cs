namespace Grid.Models.Hub;

/// <summary>Adds up the progress of parallel downloads and reports it, one report at a time.</summary>
internal sealed class ProgressCounter(IProgress<HubProgress>? progress)
{
    private readonly Lock _lock = new();
    private HubProgress _now;

    /// <summary>The sum so far.</summary>
    public HubProgress Now
    {
        get
        {
            lock (_lock)
            {
                return _now;
            }
        }
    }

    /// <summary>More files are needed.</summary>
    public void Need(int files, long bytes) =>
        Change(now => now with { TotalFiles = now.TotalFiles + files, TotalBytes = now.TotalBytes + bytes });

    /// <summary>Bytes that were on the disk already.</summary>
    public void Present(long bytes) =>
        Change(now => now with { Bytes = now.Bytes + bytes, PresentBytes = now.PresentBytes + bytes });

    /// <summary>Bytes that arrived; negative when they turned out to be worth nothing.</summary>
    public void Arrived(long bytes) => Change(now => now with { Bytes = now.Bytes + bytes });

    /// <summary>A file is complete.</summary>
    public void Complete() => Change(now => now with { Files = now.Files + 1 });

    private void Change(Func<HubProgress, HubProgress> change)
    {
        lock (_lock)
        {
            _now = change(_now);
            progress?.Report(_now);
        }
    }
}
