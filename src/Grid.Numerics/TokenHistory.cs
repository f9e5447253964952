using System.Runtime.InteropServices;

namespace Grid.Numerics;

/// <summary>
/// Which tokens a sequence has seen, split into prompt and output: what penalties are computed from. The split belongs
/// to the sequence and survives moving it to another worker.
/// </summary>
public sealed class TokenHistory
{
    private readonly Dictionary<int, int> _slotOf = [];
    private readonly List<int> _tokens = [];
    private readonly List<int> _outputCounts = [];

    /// <summary>Distinct tokens, in order of first appearance.</summary>
    public IReadOnlyList<int> Tokens => _tokens;

    /// <summary>Occurrences in the output of the token at the same place in <see cref="Tokens"/>; 0 for a token of the
    /// prompt only.</summary>
    public IReadOnlyList<int> OutputCounts => _outputCounts;

    /// <summary><see cref="Tokens"/> at once, until something is noted.</summary>
    public ReadOnlySpan<int> TokenSpan => CollectionsMarshal.AsSpan(_tokens);

    /// <summary><see cref="OutputCounts"/> at once, until something is noted.</summary>
    public ReadOnlySpan<int> OutputCountSpan => CollectionsMarshal.AsSpan(_outputCounts);

    /// <summary>The same tokens and counts, on their own from now on.</summary>
    public TokenHistory Copy()
    {
        TokenHistory copy = new();
        foreach (var (token, slot) in _slotOf)
        {
            copy._slotOf.Add(token, slot);
        }

        copy._tokens.AddRange(_tokens);
        copy._outputCounts.AddRange(_outputCounts);
        return copy;
    }

    /// <summary>Notes a prompt token.</summary>
    public void AddPrompt(int tokenId) => Slot(tokenId);

    /// <summary>Notes an output token.</summary>
    public void AddOutput(int tokenId) => _outputCounts[Slot(tokenId)]++;

    private int Slot(int tokenId)
    {
        if (!_slotOf.TryGetValue(tokenId, out int slot))
        {
            slot = _tokens.Count;
            _slotOf.Add(tokenId, slot);
            _tokens.Add(tokenId);
            _outputCounts.Add(0);
        }

        return slot;
    }
}
