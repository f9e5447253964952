namespace Grid.Cuda.Driver;

/// <summary>Numbers of blocks or threads along the three axes.</summary>
internal readonly record struct Dim3(int X, int Y = 1, int Z = 1);

/// <summary>How a kernel is laid over the GPU.</summary>
internal readonly record struct LaunchShape(Dim3 Grid, Dim3 Block)
{
    /// <summary>Bytes of dynamic shared memory per block.</summary>
    public int SharedBytes { get; init; }

    /// <summary>Blocks per cluster; none: default.</summary>
    public Dim3 Cluster { get; init; }

    /// <summary>
    /// Programmatic dependent launch: the kernel may start before the one before it in the stream has ended. Only for kernels
    /// in which every block waits (griddepcontrol.wait) before it reads or writes what the other touches.
    /// </summary>
    public bool StartsEarly { get; init; }
}
