using Grid.Grains.Messages;
using Grid.Models;
using Grid.Models.Operations;
using Grid.Numerics;
using Grid.Workers;

namespace Grid.Silo.Startup;

/// <summary>Reads other weights for a model that a device serves.</summary>
/// <param name="folder">The folder that the model was loaded from.</param>
/// <param name="model">The model.</param>
/// <param name="operations">Those that it was loaded with.</param>
internal sealed class WeightsFolder(string folder, LoadedModel model, IOperations operations)
{
    /// <summary>Reads and checks them. Throws <see cref="RefusedException"/> with what is wrong.</summary>
    public INewWeights Read(WeightsRequest request)
    {
        string path = request.ModelPath ?? folder;
        if (request.DummySeed is not null && !Directory.Exists(path))
        {
            path = ShippedConfigs.Find(path) ?? path;
        }

        if (!Directory.Exists(path))
        {
            throw new RefusedException(Refusal.Invalid(nameof(request.ModelPath), $"'{path}'", $"be a folder on the worker's node (seen from {Directory.GetCurrentDirectory()})"));
        }

        var options = request.DummySeed is { } seed ? new ModelLoadOptions { LoadFormat = LoadFormat.Dummy, DummySeed = seed } : new ModelLoadOptions();
        try
        {
            return new NewWeights(ModelLoader.Prepare(path, model, operations, options));
        }
        catch (Exception exception) when (exception is ModelFormatException or IOException or UnauthorizedAccessException)
        {
            throw new RefusedException(new Refusal { Kind = RefusalKind.Invalid, Field = nameof(request.ModelPath), Rule = $"cannot be taken: {exception.Message.TrimEnd('.')}" });
        }
    }

    private sealed class NewWeights(PreparedWeights prepared) : INewWeights
    {
        public string NumericsId => prepared.NumericsId.ToString();

        public void Apply() => prepared.Apply();

        public void Dispose() => prepared.Dispose();
    }
}
