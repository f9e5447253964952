using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Json;
using Grid.Cuda.Driver;

namespace Grid.Cuda.Tests;

/// <summary>The binding against what a C++ compiler says of cuda.h and nvrtc.h (Captures/driver_layout.cpp).</summary>
public sealed unsafe class DriverLayoutTests
{
    private static readonly JsonElement Capture = JsonDocument.Parse(TestResource.Read("driver_layout.json")).RootElement;

    [Fact]
    public void Structures_have_the_sizes_and_offsets_of_the_header()
    {
        var actual = new Dictionary<string, long>();
        void Size<T>(string name)
            where T : unmanaged => actual.Add(name, sizeof(T));

        Size<CUdevice>("CUdevice");
        Size<CUdeviceptr>("CUdeviceptr");
        Size<CUcontext>("CUcontext");
        Size<CUstream>("CUstream");
        Size<CUresult>("CUresult");
        Size<CUuuid>("CUuuid");
        Size<CUlaunchConfig>("CUlaunchConfig");
        Size<CUlaunchAttribute>("CUlaunchAttribute");
        Size<CUlaunchAttributeValue>("CUlaunchAttributeValue");
        Size<CUtensorMap>("CUtensorMap");
        Size<CUgraphExecUpdateResultInfo>("CUgraphExecUpdateResultInfo");
        AddOffsets(actual);
        Assert.Equal(
            Capture.GetProperty("layouts").EnumerateObject().Select(entry => $"{entry.Name} {entry.Value}").Order(StringComparer.Ordinal),
            actual.Select(entry => string.Create(CultureInfo.InvariantCulture, $"{entry.Key} {entry.Value}")).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Constants_have_the_values_of_the_header()
    {
        Type[] enums =
        [
            typeof(CUresult), typeof(CUdevice_attribute), typeof(CUfunction_attribute), typeof(CUlaunchAttributeID),
            typeof(CUstreamCaptureMode), typeof(CUstream_flags), typeof(CUevent_flags), typeof(CUmemhostalloc_flags), typeof(CUtensorMapDataType), typeof(CUtensorMapInterleave),
            typeof(CUtensorMapSwizzle), typeof(CUtensorMapL2promotion), typeof(CUtensorMapFloatOOBfill), typeof(nvrtcResult),
        ];
        var actual = enums.SelectMany(type => Enum.GetNames(type).Select(name =>
            string.Create(CultureInfo.InvariantCulture, $"{name} {Convert.ToInt64(Enum.Parse(type, name), CultureInfo.InvariantCulture)}")));
        Assert.Equal(
            Capture.GetProperty("constants").EnumerateObject().Select(entry => $"{entry.Name} {entry.Value}").Order(StringComparer.Ordinal),
            actual.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(typeof(DriverApi))]
    [InlineData(typeof(NvrtcApi))]
    public void Functions_have_the_names_and_parameters_of_the_header(Type api)
    {
        string prefix = api == typeof(DriverApi) ? "cu" : "nvrtc";
        var expected = Capture.GetProperty("functions").EnumerateObject()
            .Where(entry => entry.Name.StartsWith(prefix, StringComparison.Ordinal))
            .Select(entry => entry.Value)
            .Select(function =>
                $"{function.GetProperty("exported")}({function.GetProperty("parameters")}) -> {function.GetProperty("result")}");
        var actual = api
            .GetMethods(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
            .Where(method => method.GetCustomAttribute<LibraryImportAttribute>() is not null || method.Name.StartsWith(prefix, StringComparison.Ordinal))
            .Select(method =>
                $"{method.Name}({string.Join(' ', method.GetParameters().Select(parameter => Kind(parameter.ParameterType)))}) -> {Kind(method.ReturnType)}");
        Assert.Equal(expected.Order(StringComparer.Ordinal), actual.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_libraries_of_the_capturing_machine_exported_every_function() =>
        Assert.All(
            Capture.GetProperty("functions").EnumerateObject(),
            entry => Assert.True(entry.Value.GetProperty("found").GetBoolean(), entry.Name));

    [Fact]
    public void Uuids_read_as_nvidia_smi_prints_them()
    {
        CUuuid uuid = default;
        for (int i = 0; i < 16; i++)
        {
            uuid[i] = (byte)((i * 17) + 1);
        }

        Assert.Equal("GPU-01122334-4556-6778-899a-abbccddeef00", CudaDevice.FormatUuid(uuid));
    }

    private static void AddOffsets(Dictionary<string, long> actual)
    {
        CUlaunchConfig config;
        void* start = &config;
        Add(actual, "CUlaunchConfig.gridDimX", start, &config.gridDimX);
        Add(actual, "CUlaunchConfig.gridDimY", start, &config.gridDimY);
        Add(actual, "CUlaunchConfig.gridDimZ", start, &config.gridDimZ);
        Add(actual, "CUlaunchConfig.blockDimX", start, &config.blockDimX);
        Add(actual, "CUlaunchConfig.blockDimY", start, &config.blockDimY);
        Add(actual, "CUlaunchConfig.blockDimZ", start, &config.blockDimZ);
        Add(actual, "CUlaunchConfig.sharedMemBytes", start, &config.sharedMemBytes);
        Add(actual, "CUlaunchConfig.hStream", start, &config.hStream);
        Add(actual, "CUlaunchConfig.attrs", start, &config.attrs);
        Add(actual, "CUlaunchConfig.numAttrs", start, &config.numAttrs);

        CUlaunchAttribute attribute;
        start = &attribute;
        Add(actual, "CUlaunchAttribute.id", start, &attribute.id);
        Add(actual, "CUlaunchAttribute.value", start, &attribute.value);

        CUlaunchAttributeValue value;
        start = &value;
        Add(actual, "CUlaunchAttributeValue.clusterDim.x", start, &value.clusterDim.x);
        Add(actual, "CUlaunchAttributeValue.clusterDim.y", start, &value.clusterDim.y);
        Add(actual, "CUlaunchAttributeValue.clusterDim.z", start, &value.clusterDim.z);
        Add(actual, "CUlaunchAttributeValue.programmaticStreamSerializationAllowed", start, &value.programmaticStreamSerializationAllowed);

        CUgraphExecUpdateResultInfo info;
        start = &info;
        Add(actual, "CUgraphExecUpdateResultInfo.result", start, &info.result);
        Add(actual, "CUgraphExecUpdateResultInfo.errorNode", start, &info.errorNode);
        Add(actual, "CUgraphExecUpdateResultInfo.errorFromNode", start, &info.errorFromNode);
    }

    private static void Add(Dictionary<string, long> actual, string field, void* start, void* address) =>
        actual.Add(field, (byte*)address - (byte*)start);

    // As the capture names them: p is a pointer (or a handle, which is one), 1, 4 and 8 are bytes of an integer.
    private static string Kind(Type type)
    {
        if (type.IsPointer || type == typeof(nint))
        {
            return "p";
        }

        if (type == typeof(float))
        {
            return "f4";
        }

        if (type.IsEnum)
        {
            return Kind(Enum.GetUnderlyingType(type));
        }

        if (type == typeof(nuint) || type == typeof(ulong))
        {
            return "8";
        }

        if (type.IsPrimitive)
        {
            return type == typeof(byte) ? "1" : type == typeof(int) || type == typeof(uint) ? "4" : "?";
        }

        var fields = type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public);
        return fields.Length == 1 ? Kind(fields[0].FieldType) : "?";
    }
}
