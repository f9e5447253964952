namespace Grid.Cli.Verification;

/// <summary>Answers that must be the same: one question, or several that are compared each for itself (its groups).</summary>
/// <param name="name">In the field's form: "Prompt 1 with prefix length 511".</param>
/// <param name="asSingles">How logprobs are compared, see <see cref="Answer.Digest"/>.</param>
public sealed class CaseResult(string name, bool asSingles)
{
    private readonly Dictionary<string, Group> _groups = new(StringComparer.Ordinal);
    private readonly SortedDictionary<int, HashSet<string>> _byLoad = [];

    /// <summary>Its name.</summary>
    public string Name { get; } = name;

    /// <summary>Answers so far.</summary>
    public int Total { get; private set; }

    /// <summary>The most different answers that one question got; 1 is what must be, 0 before the first.</summary>
    public int Unique => _groups.Count == 0 ? 0 : _groups.Values.Max(group => group.Digests.Count);

    /// <summary>Questions that got more than one answer.</summary>
    public int Differing => _groups.Values.Count(group => group.Digests.Count > 1);

    /// <summary>Questions.</summary>
    public int Questions => _groups.Count;

    /// <summary>The first difference that was seen; null where there is none.</summary>
    public Difference? First { get; private set; }

    /// <summary>Whether no question got two answers.</summary>
    public bool IsEqual => First is null;

    /// <summary>The case in the field's form.</summary>
    public string Line => FormattableString.Invariant($"{Name}: total samples: {Total}, Unique samples: {Unique}");

    /// <summary>Takes an answer.</summary>
    /// <param name="group">Which question it answers; where the case has one, empty.</param>
    /// <param name="label">In which company: "trial 3, a batch of 3".</param>
    /// <param name="load">Requests that ran at once.</param>
    /// <param name="answer">The answer.</param>
    public void Add(string group, string label, int load, Answer answer)
    {
        string digest = answer.Digest(asSingles);
        if (!_groups.TryGetValue(group, out var known))
        {
            _groups.Add(group, known = new Group(label, answer));
        }

        known.Digests.Add(digest);
        if (known.Digests.Count > 1)
        {
            First ??= Difference.Between(group.Length > 0 ? $"{Name}, {group}" : Name, known.Label, known.Answer, label, answer, asSingles);
        }

        Total++;
        if (!_byLoad.TryGetValue(load, out var at))
        {
            _byLoad.Add(load, at = []);
        }

        at.Add($"{group}\n{digest}");
    }

    /// <summary>How many different answers there were up to each load, beyond one for each question: load, and the most that questions had
    /// among requests of that load and below.</summary>
    public IEnumerable<(int Load, int Distinct)> DistinctByLoad()
    {
        var seen = new Dictionary<string, HashSet<string>>(StringComparer.Ordinal);
        foreach (var (load, answers) in _byLoad)
        {
            foreach (string answer in answers)
            {
                string group = answer[..answer.LastIndexOf('\n')];
                if (!seen.TryGetValue(group, out var digests))
                {
                    seen.Add(group, digests = []);
                }

                digests.Add(answer);
            }

            yield return (load, seen.Values.Max(digests => digests.Count));
        }
    }

    private sealed record Group(string Label, Answer Answer)
    {
        public HashSet<string> Digests { get; } = [];
    }
}
