using System.Security.Cryptography;

namespace Grid.Cuda.Build;

/// <summary>
/// Machine code on disk, one file per key, shared by any number of processes: a file appears whole or not at all (written
/// beside its place and renamed), and one that was damaged later is found by its checksum and treated as missing.
/// File: "GRIDCUB1", SHA-256 of the rest (32 bytes), the cubin.
/// </summary>
internal sealed class CubinCache
{
    private const int HeaderBytes = 8 + SHA256.HashSizeInBytes;

    /// <param name="folder">Null: <see cref="DefaultFolder()"/>.</param>
    public CubinCache(string? folder = null) => Folder = Path.GetFullPath(folder ?? DefaultFolder());

    /// <summary>Where the files are; made when the first is written.</summary>
    public string Folder { get; }

    private static ReadOnlySpan<byte> Magic => "GRIDCUB1"u8;

    /// <summary>$XDG_CACHE_HOME/grid/cubins, or .cache/grid/cubins in the home folder.</summary>
    /// <exception cref="CudaUnavailableException">Neither XDG_CACHE_HOME nor HOME says where.</exception>
    public static string DefaultFolder() =>
        DefaultFolder(Environment.GetEnvironmentVariable("XDG_CACHE_HOME"), Environment.GetEnvironmentVariable("HOME"));

    internal static string DefaultFolder(string? cacheHome, string? home)
    {
        // The XDG specification: a relative path is to be ignored.
        if (Path.IsPathRooted(cacheHome))
        {
            return Path.Combine(cacheHome, "grid", "cubins");
        }

        if (Path.IsPathRooted(home))
        {
            return Path.Combine(home, ".cache", "grid", "cubins");
        }

        throw new CudaUnavailableException(
            "there is no folder for compiled kernels: neither XDG_CACHE_HOME nor HOME is an absolute path.");
    }

    /// <summary>The file of a kernel.</summary>
    public string FileOf(string name, string key) => Path.Combine(Folder, $"{name}-{key}.cubin");

    /// <summary>The cubin, or null when there is none.</summary>
    /// <param name="name">The kernel.</param>
    /// <param name="key">Its <see cref="CubinKey"/>.</param>
    /// <param name="damaged">There is a file that is not what was written.</param>
    public byte[]? Read(string name, string key, out bool damaged)
    {
        damaged = false;
        byte[] file;
        try
        {
            file = File.ReadAllBytes(FileOf(name, key));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            damaged = true;
            return null;
        }

        if (file.Length <= HeaderBytes
            || !file.AsSpan(0, Magic.Length).SequenceEqual(Magic)
            || !SHA256.HashData(file.AsSpan(HeaderBytes)).AsSpan().SequenceEqual(file.AsSpan(Magic.Length, SHA256.HashSizeInBytes)))
        {
            damaged = true;
            return null;
        }

        return file[HeaderBytes..];
    }

    /// <summary>Puts a cubin in its place, over whatever was there.</summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written.</exception>
    public void Write(string name, string key, ReadOnlySpan<byte> cubin)
    {
        // What lies here is run on the GPU: only its owner may write.
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(Folder);
        }
        else
        {
            Directory.CreateDirectory(Folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        RemoveAbandoned(name);
        string place = FileOf(name, key);
        string beside = $"{place}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (FileStream file = new(beside, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                file.Write(Magic);
                file.Write(SHA256.HashData(cubin));
                file.Write(cubin);
                file.Flush(flushToDisk: true);
            }

            File.Move(beside, place, overwrite: true);
        }
        catch
        {
            File.Delete(beside);
            throw;
        }
    }

    // What processes killed while writing left behind. No write takes an hour.
    private void RemoveAbandoned(string name)
    {
        foreach (string file in Directory.EnumerateFiles(Folder, $"{name}-*.tmp"))
        {
            if (File.GetLastWriteTimeUtc(file) < DateTime.UtcNow.AddHours(-1))
            {
                File.Delete(file);
            }
        }
    }
}
