using Grid.Cuda.Build;

namespace Grid.Cuda.Tests;

public sealed class CubinCacheTests : IDisposable
{
    private const string Key = "00aa";
    private readonly string folder = Path.Combine(Path.GetTempPath(), $"grid-cubins-{Guid.NewGuid():N}");

    [Fact]
    public void What_was_written_is_read_again_and_leaves_nothing_else_behind()
    {
        var cache = new CubinCache(folder);
        Assert.Null(cache.Read("k", Key, out bool damaged));
        Assert.False(damaged);
        byte[] cubin = [1, 2, 3, 0, 255];
        cache.Write("k", Key, cubin);
        Assert.Equal(cubin, new CubinCache(folder).Read("k", Key, out damaged));
        Assert.False(damaged);
        Assert.Equal([cache.FileOf("k", Key)], Directory.GetFiles(folder));
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(folder));
        }
    }

    [Fact]
    public void Damage_anywhere_in_a_file_is_found()
    {
        var cache = new CubinCache(folder);
        byte[] cubin = [.. Enumerable.Range(0, 100).Select(i => (byte)i)];
        cache.Write("k", Key, cubin);
        string path = cache.FileOf("k", Key);
        byte[] good = File.ReadAllBytes(path);
        for (int i = 0; i < good.Length; i++)
        {
            byte[] bad = [.. good];
            bad[i] ^= 0x10;
            File.WriteAllBytes(path, bad);
            Assert.Null(cache.Read("k", Key, out bool damaged));
            Assert.True(damaged, $"byte {i}");
        }

        foreach (int length in (int[])[0, 1, 8, 40, good.Length - 1])
        {
            File.WriteAllBytes(path, good[..length]);
            Assert.Null(cache.Read("k", Key, out bool damaged));
            Assert.True(damaged, $"{length} bytes");
        }

        File.WriteAllBytes(path, [.. good, 0]);
        Assert.Null(cache.Read("k", Key, out bool longer));
        Assert.True(longer);
        cache.Write("k", Key, cubin);
        Assert.Equal(cubin, cache.Read("k", Key, out bool mended));
        Assert.False(mended);
    }

    [Fact]
    public void Many_writers_and_readers_never_see_half_a_file()
    {
        byte[] cubin = new byte[1 << 20];
        new Random(1).NextBytes(cubin);
        int seen = 0;
        Parallel.For(0, 64, new ParallelOptions { MaxDegreeOfParallelism = 16 }, i =>
        {
            // An instance each, as in processes of their own: nothing is shared but the folder.
            var cache = new CubinCache(folder);
            if (i % 2 == 0)
            {
                cache.Write("k", Key, cubin);
            }

            byte[]? read = cache.Read("k", Key, out bool damaged);
            Assert.False(damaged);
            if (read is not null)
            {
                Assert.Equal(cubin, read);
                Interlocked.Increment(ref seen);
            }
        });
        Assert.True(seen >= 32, $"{seen}");
        Assert.Single(Directory.GetFiles(folder));
    }

    [Fact]
    public void A_process_killed_while_writing_leaves_no_file_that_is_read()
    {
        var cache = new CubinCache(folder);
        Directory.CreateDirectory(folder);
        string abandoned = $"{cache.FileOf("k", Key)}.0123.tmp", busy = $"{cache.FileOf("k", Key)}.4567.tmp";
        File.WriteAllBytes(abandoned, [1, 2, 3]);
        File.WriteAllBytes(busy, [1, 2, 3]);
        File.SetLastWriteTimeUtc(abandoned, DateTime.UtcNow.AddHours(-2));
        Assert.Null(cache.Read("k", Key, out bool damaged));
        Assert.False(damaged);

        // The next write clears what is old, and leaves what another process may be writing.
        cache.Write("k", Key, [1]);
        Assert.Equal([cache.FileOf("k", Key), busy], Directory.GetFiles(folder).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_default_folder_follows_the_XDG_rules()
    {
        Assert.Equal("/x/grid/cubins", CubinCache.DefaultFolder("/x", "/home/a"));
        Assert.Equal("/home/a/.cache/grid/cubins", CubinCache.DefaultFolder(null, "/home/a"));
        Assert.Equal("/home/a/.cache/grid/cubins", CubinCache.DefaultFolder("", "/home/a"));
        Assert.Equal("/home/a/.cache/grid/cubins", CubinCache.DefaultFolder("relative", "/home/a"));
        Assert.Null(CubinCache.DefaultFolder(null, null));
    }

    public void Dispose()
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
