namespace Grid.Models.Checkpoints;

/// <summary>What git leaves in the place of a large file that it has not fetched.</summary>
internal static class GitLfsPointer
{
    /// <summary>How much of a file must be known.</summary>
    public const int Bytes = 42;

    /// <summary>Refuses with <see cref="ModelFormatException"/> a file that begins as a pointer does.</summary>
    /// <param name="path">The file.</param>
    /// <param name="beginning">Its first bytes.</param>
    public static void Refuse(string path, ReadOnlySpan<byte> beginning)
    {
        if (beginning.StartsWith("version https://git-lfs.github.com/spec/v1"u8))
        {
            throw new ModelFormatException(path, "the file", "a git-lfs pointer, and not the file itself",
                "'git lfs pull', in the folder that was cloned, fetches what it points to");
        }
    }
}
