namespace Grid.Numerics;

/// <summary>The numeric contract that this assembly states (CONTRACT.md) and implements.</summary>
public static class NumericContract
{
    /// <summary>
    /// Changes whenever any bit of any result may change. Frozen: every constant and order has been measured on the GPU.
    /// </summary>
    public const string Version = "1";
}
