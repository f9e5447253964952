using System.Text.Json;
using Grid.Text.Tokenization;

namespace Grid.Text;

/// <summary>
/// Text files for a model that has none, whatever its vocabulary's size: so that dummy weights take and give text. The ids below 256 are
/// the bytes, so every text can be said; each id above is a space and a word of its own (a, b, ..., z, aa, ab, ...).
/// </summary>
public static class GeneratedText
{
    /// <summary>The smallest vocabulary.</summary>
    public const int MinVocabularySize = 256;

    private const string Template =
        "{%- for message in messages %}{{- message.role + ': ' + message.content + '\n' }}{%- endfor %}"
        + "{%- if add_generation_prompt %}{{- 'assistant:' }}{%- endif %}";

    /// <summary>tokenizer.json and tokenizer_config.json of a vocabulary of so many tokens, as <see cref="TextModel.Load"/> takes them.</summary>
    public static IReadOnlyDictionary<string, byte[]> Files(int vocabularySize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, MinVocabularySize);
        return new Dictionary<string, byte[]>
        {
            ["tokenizer.json"] = Tokenizer(vocabularySize),
            ["tokenizer_config.json"] = JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, string> { ["chat_template"] = Template }),
        };
    }

    private static byte[] Tokenizer(int vocabularySize)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            json.WriteString("version", "1.0");
            WriteByteLevel(json, "pre_tokenizer");
            json.WriteNull("post_processor");
            WriteByteLevel(json, "decoder");
            json.WriteStartObject("model");
            json.WriteString("type", "BPE");
            // A word of the vocabulary is one token; other words are their bytes.
            json.WriteBoolean("ignore_merges", true);
            json.WriteStartObject("vocab");
            for (int id = 0; id < vocabularySize; id++)
            {
                json.WriteNumber(id < MinVocabularySize ? ByteAlphabet.ToChar((byte)id).ToString() : Word(id - MinVocabularySize), id);
            }

            json.WriteEndObject();
            json.WriteStartArray("merges");
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return bytes.ToArray();
    }

    private static void WriteByteLevel(Utf8JsonWriter json, string name)
    {
        json.WriteStartObject(name);
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", false);
        json.WriteBoolean("trim_offsets", false);
        json.WriteBoolean("use_regex", true);
        json.WriteEndObject();
    }

    /// <summary>A space, and the word of a number: all of one letter come first, then those of two, and so on.</summary>
    private static string Word(int number)
    {
        Span<char> word = stackalloc char[16];
        int first = word.Length;
        for (int rest = number; rest >= 0; rest = (rest / 26) - 1)
        {
            word[--first] = (char)('a' + (rest % 26));
        }

        word[--first] = ByteAlphabet.ToChar((byte)' ');
        return new string(word[first..]);
    }
}
