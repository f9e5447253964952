using System.Security.Cryptography;
using System.Text;
using Grid.Text.Tokenization;

namespace Grid.Text.Tests;

/// <summary>The digest is of what Python's unicodedata.normalize("NFC", ...) gives; every single character is compared
/// with the tokenizers library in RealModels/UnicodeTests.</summary>
public class CanonicalCompositionTests
{
    [Fact]
    public void Sequences_of_marks_and_syllables_compose_as_Unicode_has_it()
    {
        Rune[] pool = [.. ("aeiouAEIOqd\u0300\u0301\u0323\u0327\u0345\u0338\u1100\u1161\u11a8\uac00\uac01\u00e9\u1e69\u212b\u2126\u0958\ufb2c\u0b47\u0b3e"
            + "\U0001D15E\U0001D165\U00011099\U000110BA\u05b0\u05b4\u0f71\u0f72").EnumerateRunes()];
        uint state = 1;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (int round = 0; round < 20000; round++)
        {
            // The reference draws the length before the characters.
            int length = 1 + Draw(8);
            string text = string.Concat(Enumerable.Range(0, length).Select(_ => pool[Draw(pool.Length)].ToString()));
            string normal = CanonicalComposition.Normalize(text);
            Assert.Equal(normal, CanonicalComposition.Normalize(normal));
            hash.AppendData(Encoding.UTF8.GetBytes(normal + "\0"));
        }

        Assert.Equal("323d8d1afdf3835a988dade103ec44754081ceca3b6c831a6905970ed03ce6a9", Convert.ToHexStringLower(hash.GetHashAndReset()));

        int Draw(int count)
        {
            state = ((state * 1103515245) + 12345) & 0x7FFFFFFF;
            return (int)(state >> 16) % count;
        }
    }
}
