namespace Grid.Numerics;

/// <summary>The numeric contract that this assembly states (README.md) and implements.</summary>
public static class NumericContract
{
    /// <summary>
    /// Changes whenever any bit of any result may change. "provisional" until the open constants (attention layout,
    /// the order of row reductions) have been measured on the GPU and frozen.
    /// </summary>
    public const string Version = "1-provisional";
}
