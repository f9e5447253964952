namespace Grid.Models;

/// <summary>The ids that end an answer, as far as one place names them.</summary>
/// <param name="Source">Where it is said: "config.json", "chat template".</param>
/// <param name="Ids">The ids, ascending, each once.</param>
public sealed record EndTokens(string Source, IReadOnlyList<int> Ids)
{
    /// <summary>All ids that any of the places names, ascending. One that the vocabulary lacks is never drawn and is left
    /// out.</summary>
    public static IReadOnlyList<int> Union(IEnumerable<EndTokens> places, int vocabularySize) =>
        [.. places.SelectMany(place => place.Ids).Where(id => id < vocabularySize).Distinct().Order()];
}
