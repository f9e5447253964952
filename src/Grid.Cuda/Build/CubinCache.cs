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

    /// <param name="folder">Where; null: nowhere, nothing is kept.</param>
    public CubinCache(string? folder) => Folder = folder is null ? null : Path.GetFullPath(folder);

    /// <summary>Where the files are, made when the first is written; null: nowhere, nothing is kept.</summary>
    public string? Folder { get; }

    private static ReadOnlySpan<byte> Magic => "GRIDCUB1"u8;

    /// <summary>$XDG_CACHE_HOME/grid/cubins, or .cache/grid/cubins in the home folder; null where neither XDG_CACHE_HOME nor HOME
    /// says where, as for some service accounts.</summary>
    public static string? DefaultFolder() =>
        DefaultFolder(Environment.GetEnvironmentVariable("XDG_CACHE_HOME"), Environment.GetEnvironmentVariable("HOME"));

    // The XDG specification: a relative path is to be ignored.
    internal static string? DefaultFolder(string? cacheHome, string? home) =>
        Path.IsPathRooted(cacheHome) ? Path.Combine(cacheHome, "grid", "cubins")
        : Path.IsPathRooted(home) ? Path.Combine(home, ".cache", "grid", "cubins")
        : null;

    /// <summary>The file of a kernel, where there is a folder.</summary>
    public string FileOf(string name, string key) =>
        Path.Combine(Folder ?? throw new InvalidOperationException("This cache keeps nothing."), $"{name}-{key}.cubin");

    /// <summary>The cubin, or null when there is none.</summary>
    /// <param name="name">The kernel.</param>
    /// <param name="key">Its <see cref="CubinKey"/>.</param>
    /// <param name="damaged">There is a file that is not what was written.</param>
    public byte[]? Read(string name, string key, out bool damaged)
    {
        damaged = false;
        if (Folder is null)
        {
            return null;
        }

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
    /// <exception cref="IOException">The folder cannot be written, or there is none.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written.</exception>
    public void Write(string name, string key, ReadOnlySpan<byte> cubin)
    {
        if (Folder is null)
        {
            throw new IOException("There is no folder for them: neither XDG_CACHE_HOME nor HOME is an absolute path.");
        }

        // What lies here is run on the GPU: in a folder made here only its owner may write.
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(Folder);
        }
        else
        {
            Directory.CreateDirectory(Folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        RemoveAbandoned(Folder, name);
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
    private static void RemoveAbandoned(string folder, string name)
    {
        foreach (string file in Directory.EnumerateFiles(folder, $"{name}-*.tmp"))
        {
            if (File.GetLastWriteTimeUtc(file) < DateTime.UtcNow.AddHours(-1))
            {
                File.Delete(file);
            }
        }
    }
}
