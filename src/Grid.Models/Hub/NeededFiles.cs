using Grid.Models.Checkpoints;
using Grid.Models.Configuration;

namespace Grid.Models.Hub;

/// <summary>Which files of a repository a model needs. Nothing else is downloaded: no pickles, no other formats.</summary>
internal static class NeededFiles
{
    // A tokenizer is optional here: a model can be served by token ids.
    private static readonly string[] s_optional =
    [
        ModelConfigReader.GenerationConfigFile, "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
        "chat_template.json", "special_tokens_map.json",
    ];

    private static readonly string[] s_usual =
        [ModelConfigReader.GenerationConfigFile, ModelFolder.TokenizerFile, "tokenizer_config.json"];

    /// <summary>The small files of a repository; with weights also the index, where the weights are shards.</summary>
    public static List<string> Small(string repository, HubListing listing, HubSelection selection)
    {
        var names = new List<string> { ModelConfigReader.ConfigFile };
        if (selection == HubSelection.All && !listing.Files.ContainsKey(Checkpoint.SingleFile))
        {
            names.Add(Checkpoint.IndexFile);
        }

        foreach (string name in names.Where(name => !listing.Files.ContainsKey(name)))
        {
            throw new HubException(name == Checkpoint.IndexFile
                ? $"{repository} holds neither {Checkpoint.SingleFile} nor {Checkpoint.IndexFile}; Grid reads safetensors weights only, so choose a repository that has them."
                : $"{repository} holds no {name}, which Grid needs; choose a repository that has it.");
        }

        names.AddRange(s_optional.Where(listing.Files.ContainsKey));
        return names;
    }

    /// <summary>The weights: one file, or the shards that the index names, all of which the repository must hold.</summary>
    /// <param name="repository">For messages.</param>
    /// <param name="listing">The repository's files.</param>
    /// <param name="snapshot">The folder that holds the index already.</param>
    public static IReadOnlyList<string> Weights(string repository, HubListing listing, string snapshot)
    {
        if (listing.Files.ContainsKey(Checkpoint.SingleFile))
        {
            return [Checkpoint.SingleFile];
        }

        var shards = Shards(snapshot);
        string? missing = shards.FirstOrDefault(shard => !listing.Files.ContainsKey(shard));
        return missing is null
            ? shards
            : throw new HubException($"{repository} is incomplete: its {Checkpoint.IndexFile} names {missing}, which the repository does not hold; choose another revision.");
    }

    /// <summary>What a snapshot lacks to be a model, without asking anyone.</summary>
    public static IReadOnlyList<string> MissingIn(string snapshot, HubSelection selection)
    {
        bool Absent(string name) => HubCache.LengthOf(Path.Combine(snapshot, name)) is null;
        var missing = new List<string>();
        if (Absent(ModelConfigReader.ConfigFile))
        {
            missing.Add(ModelConfigReader.ConfigFile);
        }

        if (selection == HubSelection.All && Absent(Checkpoint.SingleFile))
        {
            missing.AddRange(Absent(Checkpoint.IndexFile) ? [Checkpoint.SingleFile] : Shards(snapshot).Where(Absent));
        }

        return missing;
    }

    /// <summary>Whether a snapshot surely has all that its repository has of the files named here. Other programs leave
    /// snapshots with some of the small files, and which of the optional ones a repository holds only the hub knows; so a
    /// snapshot without one of the usual ones is not sure.</summary>
    public static bool IsWhole(string snapshot)
    {
        string chat = Path.Combine(snapshot, "tokenizer_config.json");
        return Directory.Exists(snapshot)
            && MissingIn(snapshot, HubSelection.All).Count == 0
            && s_usual.All(name => HubCache.LengthOf(Path.Combine(snapshot, name)) is not null)
            && (HubCache.LengthOf(Path.Combine(snapshot, "chat_template.jinja")) is not null
                || File.ReadAllText(chat).Contains("\"chat_template\"", StringComparison.Ordinal));
    }

    private static IReadOnlyList<string> Shards(string snapshot)
    {
        try
        {
            return Checkpoint.ShardNames(ModelFolder.Open(snapshot));
        }
        catch (ModelFormatException exception)
        {
            throw new HubException($"The weights cannot be downloaded. {exception.Message}", exception);
        }
    }
}
