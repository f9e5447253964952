using static Grid.Cuda.Driver.DriverApi;

namespace Grid.Cuda.Driver;

/// <summary>
/// A kernel that takes one structure. Launching allocates nothing: the arguments are read from the caller's stack frame and
/// copied by the driver before the call returns.
/// </summary>
/// <typeparam name="TArguments">Mirrors the structure in the kernel's text: fields are compared when it is compiled, sizes when it is loaded.</typeparam>
internal sealed unsafe class CudaKernel<TArguments>
    where TArguments : unmanaged
{
    private readonly CUfunction function;

    internal CudaKernel(string name, CUfunction function, int dynamicSharedBytes)
    {
        Name = name;
        this.function = function;
        Registers = Attribute(CUfunction_attribute.CU_FUNC_ATTRIBUTE_NUM_REGS);
        LocalBytes = Attribute(CUfunction_attribute.CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
        MaxThreadsPerBlock = Attribute(CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
        StaticSharedBytes = Attribute(CUfunction_attribute.CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
        if (LocalBytes > 0)
        {
            throw new KernelBuildException(
                name, $"uses {LocalBytes} bytes of local memory a thread; kernels must keep everything in registers");
        }

        RequireOneParameter();
        if (dynamicSharedBytes > 0)
        {
            var result = cuFuncSetAttribute(
                function, CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, dynamicSharedBytes);
            if (result != CUresult.CUDA_SUCCESS)
            {
                CudaException.Throw(
                    result, nameof(cuFuncSetAttribute), $"{dynamicSharedBytes} bytes of dynamic shared memory for kernel {name}");
            }
        }
    }

    /// <summary>The function's name.</summary>
    public string Name { get; }

    /// <summary>Registers a thread.</summary>
    public int Registers { get; }

    /// <summary>Local memory a thread; always 0.</summary>
    public int LocalBytes { get; }

    /// <summary>Threads that a block can have with these registers.</summary>
    public int MaxThreadsPerBlock { get; }

    /// <summary>Shared memory stated in the text.</summary>
    public int StaticSharedBytes { get; }

    /// <summary>Gives one launch to the stream. The context must be current.</summary>
    public void Launch(CudaStream stream, in LaunchShape shape, in TArguments arguments)
    {
        var attributes = stackalloc CUlaunchAttribute[2];
        var config = Configure(shape, attributes);
        config.hStream = stream.Handle;
        fixed (TArguments* start = &arguments)
        {
            void* parameter = start;
            var result = cuLaunchKernelEx(&config, function, &parameter, null);
            if (result != CUresult.CUDA_SUCCESS)
            {
                CudaException.Throw(result, nameof(cuLaunchKernelEx), $"kernel {Name}, {shape}");
            }
        }
    }

    /// <summary>Blocks of this shape that one multiprocessor runs at once.</summary>
    public int BlocksPerMultiprocessor(in LaunchShape shape)
    {
        int blocks;
        int threads = shape.Block.X * shape.Block.Y * shape.Block.Z;
        CudaException.Check(
            cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, threads, (nuint)shape.SharedBytes),
            nameof(cuOccupancyMaxActiveBlocksPerMultiprocessor));
        return blocks;
    }

    /// <summary>Clusters of this shape that the GPU runs at once.</summary>
    public int ActiveClusters(in LaunchShape shape)
    {
        var attributes = stackalloc CUlaunchAttribute[2];
        var config = Configure(shape, attributes);
        int clusters;
        CudaException.Check(cuOccupancyMaxActiveClusters(&clusters, function, &config), nameof(cuOccupancyMaxActiveClusters));
        return clusters;
    }

    private static CUlaunchConfig Configure(in LaunchShape shape, CUlaunchAttribute* attributes)
    {
        uint count = 0;
        if (shape.Cluster != default)
        {
            attributes[count].id = CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
            attributes[count].value.clusterDim = new CUlaunchAttributeValue.ClusterDim
            {
                x = (uint)shape.Cluster.X,
                y = (uint)shape.Cluster.Y,
                z = (uint)shape.Cluster.Z,
            };
            count++;
        }

        if (shape.StartsEarly)
        {
            attributes[count].id = CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
            attributes[count].value.programmaticStreamSerializationAllowed = 1;
            count++;
        }

        return new CUlaunchConfig
        {
            gridDimX = (uint)shape.Grid.X,
            gridDimY = (uint)shape.Grid.Y,
            gridDimZ = (uint)shape.Grid.Z,
            blockDimX = (uint)shape.Block.X,
            blockDimY = (uint)shape.Block.Y,
            blockDimZ = (uint)shape.Block.Z,
            sharedMemBytes = (uint)shape.SharedBytes,
            attrs = attributes,
            numAttrs = count,
        };
    }

    private void RequireOneParameter()
    {
        nuint offset;
        nuint size;
        CudaException.Check(cuFuncGetParamInfo(function, 0, &offset, &size), nameof(cuFuncGetParamInfo));
        if (size != (nuint)sizeof(TArguments))
        {
            throw new KernelBuildException(
                Name, $"takes a structure of {size} bytes, and {typeof(TArguments).Name} has {sizeof(TArguments)}");
        }

        if (cuFuncGetParamInfo(function, 1, &offset, &size) == CUresult.CUDA_SUCCESS)
        {
            throw new KernelBuildException(Name, "takes more than one parameter; kernels take one structure");
        }
    }

    private int Attribute(CUfunction_attribute attribute)
    {
        int value;
        CudaException.Check(cuFuncGetAttribute(&value, attribute, function), nameof(cuFuncGetAttribute));
        return value;
    }
}
