using System.Text;
using System.Text.RegularExpressions;
using Grid.Text.Tokenization;

namespace Grid.Text;

/// <summary>A model's tokenizer, read from tokenizer.json (byte-level BPE). Its ids are those of the Hugging Face
/// tokenizers library. Safe for concurrent use.</summary>
public sealed class Tokenizer
{
    private const string FileName = "tokenizer.json";

    private readonly BytePairModel _model;
    private readonly WordSplitter _words;
    private readonly AddedTokenSplitter? _tokensInText;
    private readonly AddedTokenSplitter? _tokensInNormalizedText;
    private readonly bool _composeCanonically;
    private int[] _prefix;
    private int[] _suffix;
    private readonly byte[]?[] _bytesOfId;
    private readonly string?[] _textOfId;
    private readonly bool[] _isSpecial;
    private readonly Dictionary<string, int> _idOfText = new(StringComparer.Ordinal);

    private Tokenizer(TokenizerDefinition definition)
    {
        _model = new BytePairModel(definition.Vocabulary, definition.Merges, definition.IgnoreMerges);
        _words = new WordSplitter(definition.SplitPatterns);
        _composeCanonically = definition.ComposeCanonically;
        _prefix = definition.Prefix;
        _suffix = definition.Suffix;
        _tokensInText = SplitterOf(definition.AddedTokens.Where(t => !t.Normalized).Select(t => (t.Content, t)));
        _tokensInNormalizedText = SplitterOf(definition.AddedTokens.Where(t => t.Normalized).Select(t => (Normalize(t.Content), t)));

        VocabularySize = 1 + Math.Max(
            definition.Vocabulary.Values.Max(),
            definition.AddedTokens.Select(t => t.Id).DefaultIfEmpty().Max());
        _bytesOfId = new byte[]?[VocabularySize];
        _textOfId = new string?[VocabularySize];
        _isSpecial = new bool[VocabularySize];
        FillTables(definition);
    }

    /// <summary>One more than the largest token id.</summary>
    public int VocabularySize { get; }

    /// <summary>Bytes of the longest token. A text of more characters than this times a number of tokens has more tokens.</summary>
    public int LongestToken { get; private set; }

    /// <summary>How many tokens <see cref="Encode"/> puts before a text where special tokens are to be added.</summary>
    public int AddedBefore => _prefix.Length;

    /// <summary>How many tokens <see cref="Encode"/> puts after a text where special tokens are to be added.</summary>
    public int AddedAfter => _suffix.Length;

    /// <summary>Reads a tokenizer.json. Throws <see cref="TextModelException"/>, which names the field, for files that
    /// are malformed or ask for what is not supported and would change ids.</summary>
    public static Tokenizer Load(byte[] tokenizerJson)
    {
        ArgumentNullException.ThrowIfNull(tokenizerJson);
        return new Tokenizer(TokenizerFileReader.Read(tokenizerJson, FileName));
    }

    /// <summary>The same tokenizer, that puts other ids around a text.</summary>
    internal Tokenizer PutBetween(int[] before, int[] after)
    {
        var other = (Tokenizer)MemberwiseClone();
        (other._prefix, other._suffix) = (before, after);
        return other;
    }

    /// <summary>Text to ids. Lone surrogates count as U+FFFD.</summary>
    /// <param name="text">The text.</param>
    /// <param name="parseSpecialTokens">False: text that looks like a special token is ordinary text. Added tokens that
    /// are not special are found either way.</param>
    /// <param name="addSpecialTokens">True: puts the tokens around the text that the file's post_processor asks for, or the
    /// tokenizer's class in its place (a beginning-of-sequence token for Llama). A chat template writes its own, so a rendered chat takes false.</param>
    /// <returns>The ids, as the Hugging Face tokenizers library gives them.</returns>
    public int[] Encode(string text, bool parseSpecialTokens, bool addSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>((text.Length / 3) + 8);
        if (addSpecialTokens)
        {
            ids.AddRange(_prefix);
        }

        try
        {
            EncodeInto(WellFormed(text), parseSpecialTokens, ids);
        }
        catch (RegexMatchTimeoutException error)
        {
            throw new TextModelException(FileName, "pre_tokenizer", "its pattern takes too long on this text", error);
        }

        if (addSpecialTokens)
        {
            ids.AddRange(_suffix);
        }

        return [.. ids];
    }

    /// <summary>Ids to text; incomplete UTF-8 becomes U+FFFD. An id that no token has (models pad their vocabulary)
    /// gives no text. Throws <see cref="ArgumentOutOfRangeException"/> for a negative id.</summary>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens)
    {
        int size = 0;
        foreach (int id in ids)
        {
            size += skipSpecialTokens && IsSpecial(id) ? 0 : TokenBytes(id).Length;
        }

        byte[] bytes = new byte[size];
        int at = 0;
        foreach (int id in ids)
        {
            if (!skipSpecialTokens || !IsSpecial(id))
            {
                var token = TokenBytes(id).Span;
                token.CopyTo(bytes.AsSpan(at));
                at += token.Length;
            }
        }

        return Encoding.UTF8.GetString(bytes);
    }

    /// <summary>The bytes one token stands for; none for an id that no token has. Throws
    /// <see cref="ArgumentOutOfRangeException"/> for a negative id.</summary>
    public ReadOnlyMemory<byte> TokenBytes(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        return id < VocabularySize ? _bytesOfId[id] : default(ReadOnlyMemory<byte>);
    }

    /// <summary>Whether the id is a special token.</summary>
    public bool IsSpecial(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        return id < VocabularySize && _isSpecial[id];
    }

    /// <summary>The id of a token's text (e.g. &lt;|im_end|&gt; or " the"), or null.</summary>
    public int? FindToken(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (_idOfText.TryGetValue(text, out int id))
        {
            return id;
        }

        return null;
    }

    /// <summary>The text of a token that is whole characters on its own, else null. Kept, so that showing such a token
    /// allocates nothing.</summary>
    internal string? WholeText(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        return id < VocabularySize ? _textOfId[id] : "";
    }

    /// <summary>For the test that the library's merging and ours agree.</summary>
    internal BytePairModel Model => _model;

    private static AddedTokenSplitter? SplitterOf(IEnumerable<(string, AddedToken)> tokens)
    {
        (string, AddedToken)[] all = [.. tokens];
        return all.Length == 0 ? null : new AddedTokenSplitter(all);
    }

    private void FillTables(TokenizerDefinition definition)
    {
        var strict = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
        foreach ((string token, int id) in definition.Vocabulary)
        {
            _bytesOfId[id] = ByteAlphabet.ToBytes(token);
        }

        foreach (var token in definition.AddedTokens)
        {
            _bytesOfId[token.Id] = ByteAlphabet.ToBytes(token.Content);
            _isSpecial[token.Id] = token.Special;
        }

        for (int id = 0; id < VocabularySize; id++)
        {
            if (_bytesOfId[id] is not { } bytes)
            {
                _bytesOfId[id] = [];
                _textOfId[id] = "";
            }
            else if (System.Text.Unicode.Utf8.IsValid(bytes))
            {
                _textOfId[id] = strict.GetString(bytes);
                _idOfText.TryAdd(_textOfId[id]!, id);
            }

            LongestToken = Math.Max(LongestToken, _bytesOfId[id]!.Length);
        }

        foreach (var token in definition.AddedTokens)
        {
            _idOfText[token.Content] = token.Id;
        }
    }

    private void EncodeInto(string text, bool parseSpecial, List<int> ids)
    {
        var words = new List<(int, int)>();
        foreach ((int start, int length, var token) in Pieces(_tokensInText, text, parseSpecial))
        {
            if (token is not null)
            {
                ids.Add(token.Id);
                continue;
            }

            string normalized = Normalize(length == text.Length ? text : text.Substring(start, length));
            foreach ((int from, int count, var found) in Pieces(_tokensInNormalizedText, normalized, parseSpecial))
            {
                if (found is not null)
                {
                    ids.Add(found.Id);
                    continue;
                }

                EncodeWords(normalized.AsSpan(from, count), words, ids);
            }
        }
    }

    private void EncodeWords(ReadOnlySpan<char> text, List<(int Start, int Length)> words, List<int> ids)
    {
        words.Clear();
        _words.Split(text, words);
        foreach ((int start, int length) in words)
        {
            _model.Encode(text.Slice(start, length), ids);
        }
    }

    private static List<(int Start, int Length, AddedToken? Token)> Pieces(AddedTokenSplitter? splitter, string text, bool parseSpecial)
    {
        if (text.Length == 0)
        {
            return [];
        }

        if (splitter is null)
        {
            return [(0, text.Length, null)];
        }

        var pieces = new List<(int, int, AddedToken?)>();
        splitter.Split(text, parseSpecial, pieces);
        return pieces;
    }

    private string Normalize(string text) => _composeCanonically ? CanonicalComposition.Normalize(text) : text;

    /// <summary>The text with every lone surrogate replaced by U+FFFD.</summary>
    private static string WellFormed(string text)
    {
        int first = text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF');
        if (first < 0)
        {
            return text;
        }

        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            // The enumeration gives U+FFFD for a lone surrogate.
            result.Append(rune.ToString());
        }

        return result.Equals(text) ? text : result.ToString();
    }
}
