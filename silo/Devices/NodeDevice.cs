using Grid.Models;
using Grid.Models.Operations;
using Grid.Options;
using Grid.Silo.Options;

namespace Grid.Silo.Devices;

/// <summary>A device of this node: how it is opened, and how much of its memory a model may take.</summary>
/// <param name="name">Its name on the node ("cpu", "cuda:0"), last part of its worker's key.</param>
/// <param name="limits">Limits of its engine.</param>
internal abstract class NodeDevice(string name, DeviceDefaults limits)
{
    /// <summary>Its name on the node.</summary>
    public string Name { get; } = name;

    /// <summary>Limits of its engine.</summary>
    public DeviceDefaults Limits { get; } = limits;

    /// <summary>Rows of logits that its engine holds at a time.</summary>
    public abstract int MaxLogitRows { get; }

    /// <summary>The most bytes that it holds of the outputs of a mixture of experts at a time.</summary>
    public virtual long ExpertOutputBytesLimit => long.MaxValue;

    /// <summary>Takes the device and makes it ready to load a model. Throws <see cref="DeviceException"/> when it cannot be
    /// used.</summary>
    /// <param name="output">Gets a line for what takes time.</param>
    public abstract IOperations Open(TextWriter output);

    /// <summary>Refuses, before it is loaded, a model that it cannot run or that has no room. Throws <see cref="StartException"/> with what is
    /// needed and what is there.</summary>
    public abstract void RequireRoom(ModelMemory model);

    /// <summary>Bytes that the KV cache may take, once the weights are there. Throws <see cref="StartException"/> when that is
    /// less than a page.</summary>
    public abstract long KvCacheBytes(ModelMemory model);

    /// <summary>A sentence for a fault of the device while it was tested or loaded; null for any other exception.</summary>
    public virtual string? Explain(Exception exception) => null;
}

/// <summary>A device that cannot be used, and why: a sentence without the device's name.</summary>
internal sealed class DeviceException(string reason, Exception? innerException = null) : Exception(reason, innerException);
