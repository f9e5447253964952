using System.Diagnostics;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Grid.Gateway.Tests.Fakes;

namespace Grid.Gateway.Tests;

/// <summary>deploy/azure: its templates compile, and what they make is what the manifests and the README name.</summary>
public sealed partial class AzureTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_templates_compile_without_a_warning_and_make_what_the_manifests_name()
    {
        string bicep = typeof(AzureTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(one => one.Key == "Bicep").Value!;
        Assert.SkipUnless(OperatingSystem.IsLinux() && RuntimeInformation.OSArchitecture == Architecture.X64, "Bicep's package here is for Linux on x64.");
        await RunAsync("chmod", ["+x", bicep]); // A package has no modes.
        var (code, template, warnings) = await RunAsync(bicep, ["build", PathOf("main.bicep"), "--stdout"]);
        Assert.Equal((0, ""), (code, warnings.Trim()));

        var main = JsonNode.Parse(template)!;
        var resources = Resources(main).ToArray();
        // Every file is a part of it.
        Assert.Equal(
            Directory.GetFiles(PathOf("."), "*.bicep").Select(file => Path.GetFileNameWithoutExtension(file)!).Order(),
            main["resources"]!.AsObject().Select(one => one.Key).Append("main").Order());

        string overlay = await File.ReadAllTextAsync(PathOf("../kubernetes/overlays/azure/identity.yaml"), Token);
        string[] secrets = [.. resources.Where(one => Type(one) == "Microsoft.KeyVault/vaults/secrets").Select(one => ((string)one["name"]!).Split("'")[^2]).Distinct().Order()];
        Assert.Equal(ObjectName().Matches(overlay).Select(match => match.Groups[1].Value).Order(), secrets);
        var credential = Assert.Single(resources, one => Type(one).EndsWith("/federatedIdentityCredentials", StringComparison.Ordinal));
        Assert.Equal("system:serviceaccount:grid:grid", (string)credential["properties"]!["subject"]!);
        Assert.Contains("kind: ServiceAccount\nmetadata:\n  name: grid\n", overlay, StringComparison.Ordinal);
        Assert.Contains("namespace: grid\n", await File.ReadAllTextAsync(PathOf("../kubernetes/overlays/azure/kustomization.yaml"), Token), StringComparison.Ordinal);
        var share = Assert.Single(resources, one => Type(one) == "Microsoft.Storage/storageAccounts/fileServices/shares");
        Assert.Equal("NFS", (string)share["properties"]!["enabledProtocols"]!);
        string models = await File.ReadAllTextAsync(PathOf("../kubernetes/overlays/azure/models.yaml"), Token);
        Assert.Contains($"shareName: {((string)share["name"]!).Split("'")[^2]}\n", models, StringComparison.Ordinal);
        Assert.Contains("protocol: nfs\n", models, StringComparison.Ordinal);
        // Workers tolerate what keeps others from a GPU's machine.
        var pool = Assert.Single(resources, one => Type(one) == "Microsoft.ContainerService/managedClusters/agentPools");
        string taint = (string)pool["properties"]!["nodeTaints"]![0]!;
        Assert.Contains($"- key: {taint.Split('=')[0]}\n        operator: Exists\n        effect: {taint.Split(':')[1]}\n",
            await File.ReadAllTextAsync(PathOf("../kubernetes/base/worker-gpu/gpu.yaml"), Token), StringComparison.Ordinal);

        // The images that the registry builds are the manifests'.
        string images = await File.ReadAllTextAsync(PathOf("images.yaml"), Token);
        string dockerfile = await File.ReadAllTextAsync(PathOf("../images/Dockerfile"), Token);
        Assert.All(Target().Matches(images).Select(match => match.Groups[1].Value), target => Assert.Contains($" AS {target}\n", dockerfile, StringComparison.Ordinal));
        Assert.Equal(["grid-gateway:dev", "grid-silo:dev"], BuiltImage().Matches(images).Select(match => match.Groups[1].Value).Order());

        // What the script and the README ask of it.
        var outputs = main["outputs"]!.AsObject().Select(one => one.Key).ToHashSet();
        string script = await File.ReadAllTextAsync(PathOf("manifests.sh"), Token);
        string readme = await File.ReadAllTextAsync(PathOf("README.md"), Token);
        Assert.All(OutputName().Matches(script + readme).Select(match => match.Groups[1].Value), name => Assert.Contains(name, outputs));
        Assert.All(Overlay().Matches((string)main["outputs"]!["overlay"]!["value"]!).Select(match => match.Groups[1].Value).Where(name => name.StartsWith("azure", StringComparison.Ordinal)),
            name => Assert.True(Directory.Exists(PathOf($"../kubernetes/overlays/{name}"))));
        var parameters = main["parameters"]!.AsObject();
        string[] given = [.. ParameterName().Matches(readme).Select(match => match.Groups[1].Value)];
        Assert.All(given, name => Assert.Contains(name, parameters.Select(one => one.Key)));
        Assert.All(parameters.Where(one => one.Value!["defaultValue"] is null), one => Assert.Contains(one.Key, given));
    }

    /// <summary>With a stand-in for az, which no account is behind here.</summary>
    [Theory]
    [InlineData("azure")]
    [InlineData("azure-postgres")]
    public async Task The_script_fills_in_all_that_the_manifests_leave_open(string overlay)
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(folder => File.Exists(Path.Combine(folder, "kubectl"))), "kubectl is not installed (Debian: kubernetes-client).");
        using var folder = new TemporaryFolder();
        string az = folder.Write("az", $"#!/bin/sh\nprintf '{overlay}\\ntenant-1\\nidentity-1\\nvault-1\\nregistry.example\\nmodels1\\n'\n");
        await RunAsync("chmod", ["+x", az]);
        var (code, manifests, errors) = await RunAsync("bash", [PathOf("manifests.sh"), "group-1"], folder.PathOf("."));
        Assert.True(code == 0, errors);
        Assert.DoesNotContain("GRID_", manifests, StringComparison.Ordinal);
        Assert.Contains("volumeHandle: group-1#models1#models\n", manifests, StringComparison.Ordinal);
        Assert.Contains("keyvaultName: vault-1\n", manifests, StringComparison.Ordinal);
        Assert.Equal(["registry.example/grid-gateway:dev", "registry.example/grid-silo:dev"], Image().Matches(manifests).Select(match => match.Groups[1].Value).Order());

        await File.WriteAllTextAsync(az, "#!/bin/sh\nexit 0\n", Token); // A deployment that failed says nothing.
        (code, manifests, _) = await RunAsync("bash", [PathOf("manifests.sh"), "group-1"], folder.PathOf("."));
        Assert.Equal((1, ""), (code, manifests));
    }

    private static IEnumerable<JsonNode> Resources(JsonNode template) => (template["resources"] switch
    {
        JsonObject named => named.Select(one => one.Value!),
        JsonArray array => array.Select(one => one!),
        _ => [],
    }).SelectMany(one => Type(one) == "Microsoft.Resources/deployments" ? Resources(one["properties"]!["template"]!) : [one]);

    private static string Type(JsonNode resource) => (string)resource["type"]!;

    private static async Task<(int Code, string Output, string Errors)> RunAsync(string program, string[] arguments, string? path = null)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PATH"] = $"{path}:{Environment.GetEnvironmentVariable("PATH")}";
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(Token);
        string output = await process.StandardOutput.ReadToEndAsync(Token);
        await process.WaitForExitAsync(Token);
        return (process.ExitCode, output, await errors);
    }

    private static string PathOf(string file, [CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "deploy", "azure", file));

    [GeneratedRegex("objectName: ([a-z-]+)\n        objectType")]
    private static partial Regex ObjectName();

    [GeneratedRegex(@"\b([a-zA-Z]+)\.value\b")]
    private static partial Regex OutputName();

    [GeneratedRegex("'([a-z-]+)'")]
    private static partial Regex Overlay();

    [GeneratedRegex(@"^ +(?:--parameters )?([a-zA-Z]+)=", RegexOptions.Multiline)]
    private static partial Regex ParameterName();

    [GeneratedRegex("--target ([a-z-]+) ")]
    private static partial Regex Target();

    [GeneratedRegex("--tag \\$Registry/(\\S+) ")]
    private static partial Regex BuiltImage();

    [GeneratedRegex("image: (registry\\S+)")]
    private static partial Regex Image();
}
