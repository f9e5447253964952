using System.Globalization;
using Grid.Models;
using Grid.Models.SelfTest;
using Grid.Numerics;
using Grid.Options;
using Grid.Silo.Devices;
using Grid.Silo.Options;
using Grid.Text;
using Grid.Workers;

namespace Grid.Silo.Startup;

/// <summary>Loads what a node serves: text files once, then the model on every device. Says what it does, a line each.</summary>
internal static class ServedModelLoader
{
    /// <summary>Finds the model and loads it onto the node's devices. Throws <see cref="StartException"/> when it cannot be
    /// served.</summary>
    /// <param name="options">What to serve.</param>
    /// <param name="findDevices">Finds the devices that the options ask for.</param>
    /// <param name="output">Gets a line for each step.</param>
    /// <param name="cancellationToken">Gives the start up.</param>
    public static async Task<IReadOnlyList<ServedDevice>> LoadAsync(
        NodeOptions options, Func<NodeOptions, TextWriter, IReadOnlyList<NodeDevice>> findDevices, TextWriter output, CancellationToken cancellationToken)
    {
        try
        {
            // Devices first: a node without the GPU that it was told to use should not begin to download.
            var devices = findDevices(options, output);
            var source = await ModelSource.FindAsync(options, folder => CheckSmallFiles(options, folder), output, cancellationToken);
            return Load(options, devices, source, output, cancellationToken);
        }
        catch (Exception exception) when (exception is ModelFormatException or TextModelException or IOException or UnauthorizedAccessException)
        {
            throw new StartException($"The model cannot be served. {exception.Message}");
        }
    }

    /// <summary>What a model of the hub must pass before its weights are downloaded.</summary>
    private static void CheckSmallFiles(NodeOptions options, string path)
    {
        var folder = ModelFolder.Open(path);
        var config = ReadConfig(options, folder, out _);
        ReadSampling(options, folder);
        ReadTexts(options, folder, config.VocabularySize, out _);
    }

    private static List<ServedDevice> Load(NodeOptions options, IReadOnlyList<NodeDevice> devices, ModelSource source, TextWriter output, CancellationToken cancellationToken)
    {
        var folder = ModelFolder.Open(source.Folder);
        var config = ReadConfig(options, folder, out var configured);
        var texts = ReadTexts(options, folder, config.VocabularySize, out var endTokens);
        var model = new ModelToServe(
            source.Folder, options.ServedModelName ?? source.Name, config, WorkerModel.PackTextFiles(texts), ReadSampling(options, folder))
        { EndTokens = [.. configured, .. endTokens] };
        var loaders = new List<DeviceLoader>();
        var served = new List<ServedDevice>();
        try
        {
            OpenAll(options, devices, loaders, output, cancellationToken);
            loaders.ForEach(loader => loader.RequireRoom(model.Config));
            loaders.ForEach(loader => served.Add(loader.Load(model, cancellationToken)));
            RequireOneModel(served);
        }
        catch
        {
            served.ForEach(device => device.Dispose());
            loaders.ForEach(loader => loader.Dispose());
            throw;
        }

        DescribeEndTokens(output, model);
        DescribeSampling(output, model.Sampling);
        foreach (string remark in options.Launch.Remarks())
        {
            output.WriteLine($"        {remark}");
        }

        if (texts.Count > 0 && !File.Exists(Path.Combine(source.Folder, ModelFolder.TokenizerFile)))
        {
            output.WriteLine("Text    a generated vocabulary of the model's size: bytes, and made-up words");
        }

        if (model.Texts.Files.Length == 0)
        {
            output.WriteLine("Text    no tokenizer: /generate takes and gives token ids, and nothing else is served");
        }

        return served;
    }

    /// <summary>Opens and tests the devices. One that fails is left out, as it would be later; there must be another.</summary>
    private static void OpenAll(
        NodeOptions options, IReadOnlyList<NodeDevice> devices, List<DeviceLoader> loaders, TextWriter output, CancellationToken cancellationToken)
    {
        string? failure = null;
        foreach (var device in devices)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                loaders.Add(DeviceLoader.Open(device, options, output));
            }
            catch (Exception exception) when (exception is DeviceException or DeviceSelfTestException)
            {
                failure ??= exception is DeviceException ? $"{device.Name} cannot be used: {exception.Message}" : exception.Message;
                if (devices.Count > 1)
                {
                    output.WriteLine($"Device  {device.Name} is left out: {exception.Message}");
                }
            }
        }

        if (loaders.Count == 0)
        {
            throw new StartException(devices.Count == 1 ? $"The model cannot be served. {failure}" : $"The model cannot be served: no device is left. {failure}");
        }
    }

    private static void RequireOneModel(List<ServedDevice> served)
    {
        if (served.Any(device => device.Description.NumericsId != served[0].Description.NumericsId))
        {
            throw new StartException("The model cannot be served: its files changed while they were loaded onto one device after the other.");
        }
    }

    private static ModelConfig ReadConfig(NodeOptions options, ModelFolder folder, out IReadOnlyList<EndTokens> endTokens)
    {
        var config = folder.ReadConfig(out endTokens);
        return options.ContextLength is { } length && length > config.MaxPositions
            ? throw new StartException($"--context-length is {length}; it must be at most {config.MaxPositions}, the model's own.", StartException.Usage)
            : config;
    }

    private static SamplingParameters ReadSampling(NodeOptions options, ModelFolder folder) =>
        options.UseModelSampling ? folder.ReadRecommendedSampling() : new SamplingParameters();

    private static void DescribeEndTokens(TextWriter output, ModelToServe model)
    {
        var places = EndTokens.Union(model.EndTokens, model.Config.VocabularySize)
            .Select(id => $"{id} ({string.Join(", ", model.EndTokens.Where(place => place.Ids.Contains(id)).Select(place => place.Source))})");
        string all = string.Join(", ", places);
        output.WriteLine(all.Length > 0 ? $"        an answer ends with {all}" : "        no file names a token that ends an answer: it ends at its length");
    }

    private static void DescribeSampling(TextWriter output, SamplingParameters sampling)
    {
        if (sampling != new SamplingParameters())
        {
            var values = RecommendedParameter.All.Select(parameter => string.Create(CultureInfo.InvariantCulture, $"{parameter.Name} {parameter.Get(sampling)}"));
            output.WriteLine($"        sampled with {string.Join(", ", values)} where a request to OpenAI's endpoints does not say");
        }
    }

    private static IReadOnlyDictionary<string, byte[]> ReadTexts(NodeOptions options, ModelFolder folder, int vocabularySize, out EndTokens[] endTokens)
    {
        endTokens = [];
        var files = folder.ReadTextFiles();
        bool hasTokenizer = files.ContainsKey(ModelFolder.TokenizerFile);
        if (options.SkipTokenizerInit)
        {
            return new Dictionary<string, byte[]>();
        }

        if (!hasTokenizer && options.LoadFormat == LoadFormat.Dummy && vocabularySize >= GeneratedText.MinVocabularySize)
        {
            return GeneratedText.Files(vocabularySize);
        }

        if (!hasTokenizer)
        {
            throw new StartException(
                $"The model cannot be served. {folder.Path} has no {ModelFolder.TokenizerFile}; --skip-tokenizer-init serves a model without one, by token ids alone.");
        }

        var text = TextModel.Load(files); // Gateways will read them; a fault should show here and now.
        endTokens =
        [
            new("tokenizer_config.json", text.EosTokenId is { } eos ? [eos] : []),
            new("chat template", text.FindEndOfTurn() is { } endOfTurn ? [endOfTurn] : []),
        ];
        return files;
    }
}
