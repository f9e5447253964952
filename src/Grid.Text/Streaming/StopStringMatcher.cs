using System.Text;

namespace Grid.Text;

/// <summary>Finds stop strings in streamed text, holding back text that may still become one. How the text is cut into
/// pieces never changes the outcome. For one sequence; not safe for concurrent use.</summary>
public sealed class StopStringMatcher
{
    private readonly string[] _stops;
    private readonly List<Node> _nodes = [new Node()];
    private readonly StringBuilder _held = new();
    private int _state;

    /// <summary>Takes the stop strings, in the order that decides between several that end at one place. None may be
    /// empty or hold lone surrogates (<see cref="ArgumentException"/>).</summary>
    public StopStringMatcher(IReadOnlyList<string> stops)
    {
        ArgumentNullException.ThrowIfNull(stops);
        _stops = [.. stops];
        for (int i = 0; i < _stops.Length; i++)
        {
            Check(_stops[i], i, nameof(stops));
            Insert(_stops[i], i);
        }

        LinkSuffixes();
    }

    /// <summary>The stop string that was found; null while none.</summary>
    public string? Matched { get; private set; }

    /// <summary>Takes text; returns what is safe to show. The match is the one that ends earliest in the text; of
    /// several that end there, the first listed. After a match the text before it has been returned and nothing more
    /// will be.</summary>
    /// <param name="text">The text.</param>
    /// <param name="mayMatch">False: a stop string that ends in this text is not looked at. One that begins in it may still
    /// end later.</param>
    public string Append(string text, bool mayMatch = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (Matched is not null)
        {
            return "";
        }

        if (_stops.Length == 0)
        {
            return text;
        }

        for (int i = 0; i < text.Length; i++)
        {
            _state = Step(_state, text[i]);
            if (mayMatch && _nodes[_state].Stop is var stop and >= 0)
            {
                Matched = _stops[stop];
                _held.Append(text, 0, i + 1);
                return Release(_held.Length - Matched.Length, forget: true);
            }
        }

        // The state's depth is the length of the longest end of the text that begins a stop string.
        int depth = _nodes[_state].Depth;
        if (_held.Length == 0 && depth == 0)
        {
            return text;
        }

        _held.Append(text);
        return Release(_held.Length - depth, forget: false);
    }

    /// <summary>What was held back, when the sequence ends without a match.</summary>
    public string Flush()
    {
        _state = 0;
        return Release(_held.Length, forget: true);
    }

    private string Release(int length, bool forget)
    {
        string text = _held.ToString(0, length);
        _held.Remove(0, forget ? _held.Length : length);
        return text;
    }

    private int Step(int state, char c)
    {
        while (true)
        {
            if (_nodes[state].Next.TryGetValue(c, out int next))
            {
                return next;
            }

            if (state == 0)
            {
                return 0;
            }

            state = _nodes[state].Suffix;
        }
    }

    private static void Check(string stop, int index, string parameter)
    {
        if (string.IsNullOrEmpty(stop))
        {
            throw new ArgumentException($"stops[{index}] is empty; a stop string must have at least one character.", parameter);
        }

        for (int i = 0; i < stop.Length; i++)
        {
            if (char.IsSurrogate(stop[i]) && !(i + 1 < stop.Length && char.IsSurrogatePair(stop[i], stop[++i])))
            {
                throw new ArgumentException($"stops[{index}] holds a lone surrogate; a stop string must be valid Unicode.", parameter);
            }
        }
    }

    private void Insert(string stop, int index)
    {
        int node = 0;
        foreach (char c in stop)
        {
            if (!_nodes[node].Next.TryGetValue(c, out int next))
            {
                next = _nodes.Count;
                _nodes.Add(new Node { Depth = _nodes[node].Depth + 1 });
                _nodes[node].Next.Add(c, next);
            }

            node = next;
        }

        _nodes[node].Stop = _nodes[node].Stop < 0 ? index : _nodes[node].Stop;
    }

    /// <summary>Aho-Corasick: each node learns its longest proper suffix in the tree, and the first-listed stop string
    /// that ends there.</summary>
    private void LinkSuffixes()
    {
        var queue = new Queue<int>(_nodes[0].Next.Values);
        while (queue.TryDequeue(out int node))
        {
            foreach ((char c, int child) in _nodes[node].Next)
            {
                _nodes[child].Suffix = Step(_nodes[node].Suffix, c);
                queue.Enqueue(child);
            }

            int inherited = _nodes[_nodes[node].Suffix].Stop;
            if (inherited >= 0 && (_nodes[node].Stop < 0 || inherited < _nodes[node].Stop))
            {
                _nodes[node].Stop = inherited;
            }
        }
    }

    private sealed class Node
    {
        public Dictionary<char, int> Next { get; } = [];

        public int Depth { get; init; }

        public int Suffix { get; set; }

        public int Stop { get; set; } = -1;
    }
}
