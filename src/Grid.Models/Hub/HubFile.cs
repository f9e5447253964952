using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Grid.Models.Hub;

/// <summary>A file of a repository at one commit.</summary>
/// <param name="Name">Its name, relative and checked.</param>
/// <param name="Size">Its length in bytes.</param>
/// <param name="ETag">What its content is called: the SHA-256 of a file in LFS storage, or git's SHA-1 of a blob.</param>
internal sealed record HubFile(string Name, long Size, string ETag)
{
    /// <summary>Whether a text names content by a checksum that can be verified.</summary>
    public static bool IsETag(string? text) => text is { Length: 40 or 64 } && HubModelName.IsHex(text);

    /// <summary>
    /// Why a repository's file name is not used; null for a name that stays inside the snapshot's folder on every
    /// system.
    /// </summary>
    public static string? BrokenNameRule(string name)
    {
        if (name.Length is 0 or > 1024 || name.Any(c => char.IsControl(c) || c is '\\' or ':'))
        {
            return "a file name has 1 to 1024 characters, none of them a control character, '\\' or ':'";
        }

        return name.Split('/').Any(part => part is "" or "." or "..")
            ? "a file name is relative, and '.' and '..' are not parts of it"
            : null;
    }

    /// <summary>Starts the checksum that the file's name promises.</summary>
    public IncrementalHash StartHash()
    {
        if (ETag.Length == 64)
        {
            return IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        }

        // Git names a small file by the SHA-1 of "blob LENGTH\0" and its bytes; that is the protocol, not a choice.
        var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        hash.AppendData(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {Size}\0")));
        return hash;
    }
}
