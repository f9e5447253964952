using System.Diagnostics;
using System.Globalization;
using Grid.Models;
using Grid.Models.Hub;
using Grid.Options;
using Grid.Silo.Options;

namespace Grid.Silo.Startup;

/// <summary>Where the model lies that a node serves, and what it is called unless the operator says otherwise.</summary>
/// <param name="Folder">A model folder.</param>
/// <param name="Name">The folder's name, or the model's on the hub.</param>
internal sealed record ModelSource(string Folder, string Name)
{
    /// <summary>Endings of weights' files, which no model of the hub is named like.</summary>
    private static readonly string[] s_files = [".gguf", ".safetensors", ".bin", ".pt", ".pth"];

    /// <summary>
    /// Finds what --model-path names: an existing folder, a configuration that ships with Grid (for dummy weights), or a
    /// model of the hub, which is downloaded if the cache lacks it. Throws <see cref="StartException"/>.
    /// </summary>
    /// <param name="options">What to serve.</param>
    /// <param name="check">Looks at the folder's small files before large ones are downloaded.</param>
    /// <param name="output">Gets a line for each step.</param>
    /// <param name="cancellationToken">Gives the start up.</param>
    public static async Task<ModelSource> FindAsync(
        NodeOptions options, Action<string> check, TextWriter output, CancellationToken cancellationToken)
    {
        string path = options.ModelPath ?? DemoModel.Path;
        if (options.ModelPath is null || Directory.Exists(path))
        {
            return options.Revision is null
                ? new ModelSource(path, Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path))))
                : throw new StartException(
                    $"--revision is '{options.Revision}'; it chooses among the revisions of a model of the hub, and a folder has none.", StartException.Usage);
        }

        if (options.LoadFormat == LoadFormat.Dummy && options.Revision is null && ShippedConfigs.Find(path) is { } config)
        {
            return new ModelSource(config, path);
        }

        RefusePath(path);
        try
        {
            var model = HubModelName.Parse(path, options.Revision);
            return new ModelSource(await DownloadAsync(model, options, check, output, cancellationToken), model.Repository);
        }
        catch (HubException exception)
        {
            string shipped = options.LoadFormat == LoadFormat.Dummy ? $" With --load-format dummy, {string.Join(", ", ShippedConfigs.Names)} need no download." : "";
            throw new StartException($"The model cannot be had. {exception.Message}{shipped}");
        }
    }

    /// <summary>What is written as a path, or is one, is not asked of the hub.</summary>
    private static void RefusePath(string path)
    {
        if (File.Exists(path))
        {
            throw new StartException($"--model-path is '{path}', a file; it must be a folder in Hugging Face form (config.json, *.safetensors). Files of other forms, such as GGUF, are not read.");
        }

        string name = path.Split('@')[0];
        if (Path.IsPathRooted(path) || name.StartsWith('~') || name.Contains('\\', StringComparison.Ordinal)
            || name.Split('/') is ["." or "..", ..] or [.., ""] or { Length: > 2 } || s_files.Contains(Path.GetExtension(name), StringComparer.OrdinalIgnoreCase))
        {
            throw new StartException($"--model-path is '{path}'; there is no such folder (seen from {Directory.GetCurrentDirectory()}).");
        }
    }

    private static async Task<string> DownloadAsync(
        HubModelName model, NodeOptions options, Action<string> check, TextWriter output, CancellationToken cancellationToken)
    {
        var settings = HubSettings.FromEnvironment();
        output.WriteLine(settings.Offline
            ? $"Hub     {model} from the cache {settings.CacheFolder} alone (HF_HUB_OFFLINE)"
            : $"Hub     {model} from {settings.Endpoint} into {settings.CacheFolder}");
        using var progress = new DownloadProgress(output);
        using var client = new HubClient(settings) { Notice = progress.Say };
        var clock = Stopwatch.StartNew();
        try
        {
            var selection = options.LoadFormat == LoadFormat.Dummy ? HubSelection.WithoutWeights : HubSelection.All;
            var snapshot = await client.DownloadAsync(model, selection, progress, check, cancellationToken);
            progress.Dispose();
            output.WriteLine(Describe(snapshot, clock.Elapsed));
            return snapshot.Path;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            progress.Dispose();
            throw new StartException("Stopped while downloading; what has arrived is kept, and the next start goes on from there.");
        }
    }

    private static string Describe(HubSnapshot snapshot, TimeSpan elapsed)
    {
        var sums = snapshot.Progress;
        string commit = $"        commit {snapshot.Commit}";
        return sums.TotalFiles == 0 ? commit : sums.PresentBytes == sums.TotalBytes
            ? $"{commit}: {sums.TotalFiles} files, {ByteSize.Format(sums.TotalBytes)}, all in the cache"
            : string.Create(CultureInfo.InvariantCulture,
                $"{commit}: {sums.TotalFiles} files, {ByteSize.Format(sums.TotalBytes)}, of which {ByteSize.Format(sums.TotalBytes - sums.PresentBytes)} came in {elapsed.TotalSeconds:0.0} s");
    }

    /// <summary>Shows a download's progress, and lines that do not end up behind its bar.</summary>
    private sealed class DownloadProgress(TextWriter output) : IProgress<HubProgress>, IDisposable
    {
        private readonly ProgressDisplay _display = ProgressDisplay.On(output, "Downloading");

        public void Report(HubProgress value) => _display.Report(value.Bytes, value.TotalBytes);

        public void Say(string notice)
        {
            _display.Dispose();
            output.WriteLine($"        {notice}");
        }

        public void Dispose() => _display.Dispose();
    }
}
