using Grid.Cuda.Driver;

namespace Grid.Cuda.Tests;

/// <summary>One clear sentence for each way in which a machine cannot do CUDA.</summary>
public sealed class UnavailableTests
{
    [Fact]
    public void A_missing_driver_is_named_with_its_library()
    {
        var e = Assert.Throws<CudaUnavailableException>(() => NativeLibraries.RequireDriver("libno-such-driver.so.1"));
        Assert.Equal(
            "CUDA cannot be used: the NVIDIA driver's library libno-such-driver.so.1 could not be loaded; install the NVIDIA driver (R570 or newer).",
            e.Message);
    }

    [Fact]
    public void A_machine_without_a_driver_says_so_and_nothing_else()
    {
        if (System.Runtime.InteropServices.NativeLibrary.TryLoad(NativeLibraries.Driver, out _))
        {
            Assert.Skip("This machine has an NVIDIA driver.");
        }

        var list = Assert.Throws<CudaUnavailableException>(() => CudaDevice.List());
        var open = Assert.Throws<CudaUnavailableException>(() => CudaContext.Open(0));
        Assert.Contains("libcuda.so.1 could not be loaded", list.Message, StringComparison.Ordinal);
        Assert.Equal(list.Message, open.Message);
    }

    [Theory]
    [InlineData(12, 7, true)]
    [InlineData(11, 9, true)]
    [InlineData(12, 8, false)]
    [InlineData(13, 0, false)]
    public void A_driver_before_12_8_is_refused(int major, int minor, bool refused)
    {
        var e = Record.Exception(() => CudaDevice.RequireDriver(new CudaVersion(major, minor)));
        Assert.Equal(refused, e is CudaUnavailableException);
        if (refused)
        {
            Assert.Equal(
                $"CUDA cannot be used: the NVIDIA driver supports CUDA {major}.{minor}, and Grid needs 12.8 (R570) or newer; update the driver.",
                e!.Message);
        }
    }

    [Theory]
    [InlineData(8, 0, "NVIDIA A100-SXM4-80GB")]
    [InlineData(8, 9, "NVIDIA L40S")]
    [InlineData(10, 0, "NVIDIA B200")]
    public void Other_architectures_are_refused_by_name(int major, int minor, string name)
    {
        var e = Assert.Throws<CudaUnavailableException>(() => Device(major, minor, name).RequireHopper());
        Assert.Equal(
            $"CUDA cannot be used: GPU 3 ({name}) has compute capability {major}.{minor}, and Grid's kernels need 9.0 (H100, H200, GH200).",
            e.Message);
        Device(9, 0, "NVIDIA H100 80GB HBM3").RequireHopper();
    }

    [Fact]
    public void A_missing_compiler_is_named_with_every_place_that_was_tried()
    {
        var e = Assert.Throws<CudaUnavailableException>(
            () => NativeLibraries.RequireNvrtc(new CudaVersion(13, 0), ["libno-nvrtc.so.13", "libno-nvrtc.so.12"]));
        Assert.Equal(
            "CUDA cannot be used: the compiler NVRTC could not be loaded, looked for as libno-nvrtc.so.13, libno-nvrtc.so.12; " +
            "install the CUDA toolkit's NVRTC or add its folder to LD_LIBRARY_PATH.",
            e.Message);
    }

    [Fact]
    public void Driver_version_numbers_are_read_as_the_driver_writes_them()
    {
        Assert.Equal("13.0", CudaVersion.FromNumber(13000).ToString());
        Assert.Equal("12.8", CudaVersion.FromNumber(12080).ToString());
        Assert.True(CudaVersion.FromNumber(12080) < CudaVersion.FromNumber(13000));
        Assert.True(new CudaVersion(12, 10) > new CudaVersion(12, 9));
    }

    private static CudaDevice Device(int major, int minor, string name) => new()
    {
        Ordinal = 3,
        Name = name,
        Uuid = string.Empty,
        ComputeMajor = major,
        ComputeMinor = minor,
        MemoryBytes = 0,
        Multiprocessors = 0,
        L2Bytes = 0,
        SharedBytesPerBlock = 0,
        SharedBytesPerMultiprocessor = 0,
    };
}
