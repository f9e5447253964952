using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Grid.Gateway.Access;
using Grid.Gateway.Node;
using Grid.Gateway.Tests.Fakes;
using Grid.Options;
using Grid.Sequences;
using Grid.Silo;
using Grid.Silo.Options;
using Microsoft.Extensions.Configuration;
using YamlDotNet.Core;
using YamlDotNet.Serialization;

namespace Grid.Gateway.Tests;

/// <summary>deploy/images, compose and systemd: what they name exists in the programs and beside them, and their times fit together.</summary>
public sealed partial class DeployTests
{
    private static readonly Dictionary<string, Stage> s_stages = ReadStages();

    [Fact]
    public void An_image_starts_its_program_as_nobody_in_particular_where_it_listens()
    {
        foreach (var (name, assembly, options) in new (string, string, GatewayNodeOptions)[]
        {
            ("gateway", typeof(GatewayNode).Assembly.GetName().Name!, new GatewayNodeOptions()),
            ("silo", typeof(GridNode).Assembly.GetName().Name!, new NodeOptions()),
        })
        {
            var stage = s_stages[name];
            Assert.Equal($"[\"dotnet\", \"/app/{assembly}.dll\"]", stage["ENTRYPOINT"]);
            Assert.Equal($"{options.Port} 11111", stage["EXPOSE"]);
            Assert.Equal("1654:1654", stage["USER"]);
            Assert.Contains($"deploy/images/layout.sh {name} /image/{name}", s_stages["build"]["RUN"], StringComparison.Ordinal);
            Assert.Equal($"--from=build /image/{name}/ /", stage["COPY"]);
        }
        Assert.Equal("silo", s_stages["silo-gpu"].Base);
        // The kernels are compiled by the program itself, where it looks for the compiler, and lie where it looks for them.
        Assert.Equal("silo", s_stages["kernels"].Base);
        Assert.Contains("/usr/local/cuda/lib64/libnvrtc.so", Text("src/Grid.Cuda/Driver/NativeLibraries.cs"), StringComparison.Ordinal);
        Assert.EndsWith("/usr/local/cuda/lib64/", s_stages["kernels"]["COPY"], StringComparison.Ordinal);
        string[] packs = [.. QuotedText().Matches(s_stages["kernels"]["RUN"]).Select(match => match.Groups[1].Value)];
        var packing = GridNode.Program.Read(packs[2..], new ConfigurationBuilder().Build());
        Assert.Equal(s_stages["silo"]["ENTRYPOINT"], $"[\"{packs[0]}\", \"{packs[1]}\"]");
        Assert.Equal($"--from=kernels --chown=0:0 --chmod=755 {packing.BuildKernels}/ /app/kernels/", s_stages["silo-gpu"]["COPY"]);
        Assert.Contains("AppContext.BaseDirectory, \"kernels\"", Text("src/Grid.Cuda/Build/PrebuiltKernels.cs"), StringComparison.Ordinal);
        // As Kubernetes runs it, and with the folders that are written there.
        string layout = Text("deploy/images/layout.sh");
        foreach (string file in new[] { "worker/worker.yaml", "gateway/gateway.yaml" })
        {
            string pod = Text($"deploy/kubernetes/base/{file}");
            Assert.Contains("runAsUser: 1654\n", pod, StringComparison.Ordinal);
            Assert.All(MountPath().Matches(pod).Select(match => match.Groups[1].Value).Where(path => path != "/tmp"),
                path => Assert.Contains($"\"$root{path}\"", layout, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Composes_nodes_take_their_options_and_find_what_they_name()
    {
        var compose = ReadYaml("deploy/compose/compose.yaml");
        var services = Map(compose["services"]);
        var nodes = new Dictionary<string, GatewayNodeOptions>();
        foreach (var (name, service) in services.Select(entry => (entry.Key, Map(entry.Value))).Where(entry => $"{entry.Item2["image"]}".StartsWith("grid-", StringComparison.Ordinal)))
        {
            string program = $"{service["image"]}"["grid-".Length..];
            var settings = Map(service["environment"]).Where(variable => variable.Key.Contains("__", StringComparison.Ordinal))
                .Select(variable => (variable.Key, $"{variable.Value}")).Append(("Grid__ClusterConnection", "redis:6379,password=x")).ToArray();
            var options = nodes[name] = Read(program, settings);
            Assert.Equal(name, options.Cluster.NodeName);
            Assert.True(Seconds(service["stop_grace_period"]) > options.Grace + NodeHost.StopMargin);
            Assert.Equal(("True", "[ALL]"), (CultureInfo.InvariantCulture.TextInfo.ToTitleCase($"{service["read_only"]}"), $"[{List(service["cap_drop"]).Single()}]"));
            Assert.Equal(["no-new-privileges:true"], List(service["security_opt"]));
            Assert.Equal(program, Map(service["build"])["target"]);
            Assert.Contains(program, s_stages.Keys);
            string[] secrets = [.. List(service["secrets"]).Select(secret => $"/run/secrets/{secret}")];
            Assert.Equal([options.Cluster.ClusterSecretFile, options.Gateway.Access.ApiKeyFile], secrets);
            foreach (string mapping in service.TryGetValue("ports", out object? ports) ? List(ports) : [])
            {
                string[] parts = mapping.Split(':');
                Assert.Equal(("127.0.0.1", $"{options.Port}"), (parts[0], parts[^1]));
            }
            if (options is NodeOptions)
            {
                Assert.Equal("models:/models", List(service["volumes"]).Single());
                Assert.Equal("/models", Map(service["environment"])["HF_HOME"]);
            }
        }
        Assert.Equal(["gateway", "gateway", "worker", "worker"], nodes.Keys.Select(name => name.Split('-')[0]).Order(StringComparer.Ordinal));

        // What is asked for in files beside it, and by other services.
        var prometheus = ReadYaml("deploy/compose/prometheus.yml");
        string[] targets = List(Map(((List<object>)Map(((List<object>)prometheus["scrape_configs"]).Single())["static_configs"]).Single())["targets"]);
        Assert.Equal(nodes.Select(node => $"{node.Key}:{node.Value.Port}").Order(StringComparer.Ordinal), targets.Order(StringComparer.Ordinal));
        Assert.All(nodes.Values, options => Assert.True(options.Gateway.Access.OpenMetrics));
        foreach (var service in services.Values.Select(Map))
        {
            foreach (string volume in service.TryGetValue("volumes", out object? volumes) ? List(volumes) : [])
            {
                string from = volume.Split(':')[0];
                Assert.True(from.StartsWith('.') ? File.Exists(PathOf($"deploy/compose/{from}")) : Map(compose["volumes"]).ContainsKey(from), $"{from} is not there.");
            }
            Assert.All(service.TryGetValue("secrets", out object? secrets) ? List(secrets) : [], secret => Assert.Contains(secret, Map(compose["secrets"]).Keys));
            Assert.All(service.TryGetValue("depends_on", out object? others) ? List(others) : [], other => Assert.Contains(other, services.Keys));
        }
        string script = Text("deploy/compose/secrets.sh");
        Assert.All(Map(compose["secrets"]).Values.Select(secret => $"{Map(secret)["file"]}"[2..]), file => Assert.Contains($">{file}\n", script, StringComparison.Ordinal));
        Assert.Contains($"path: {List(Map(services["grafana"])["volumes"]).Single(volume => volume.Contains("grid.json", StringComparison.Ordinal)).Split(':')[1][..^"/grid.json".Length]}\n", Text("deploy/compose/dashboards.yml"), StringComparison.Ordinal);
        Assert.Equal("http://prometheus:9090", Map(((List<object>)ReadYaml("deploy/compose/grafana.yml")["datasources"]).Single())["url"]);
    }

    /// <summary>What the script writes is what the programs read.</summary>
    [Fact]
    public async Task Composes_secrets_are_made_once_and_are_taken()
    {
        using var folder = new TemporaryFolder();
        string script = folder.Write("secrets.sh", Text("deploy/compose/secrets.sh"));
        var (code, said) = await RunAsync(script);
        Assert.Equal(0, code);
        var keys = new ApiKeys(new AccessOptions { ApiKeyFile = folder.PathOf("secrets/api-keys.json") }, new SequencesOptions());
        Assert.Equal([("first", "inference"), ("operators", "operate")], BearerKey().Matches(said).Select(match => keys.Find(match.Groups[1].Value)!).Select(key => (key.Name!, key.Scopes.Single())));
        Assert.True((await File.ReadAllTextAsync(folder.PathOf("secrets/cluster-secret"), TestContext.Current.CancellationToken)).Trim().Length >= 16);
        string[] setting = (await File.ReadAllTextAsync(folder.PathOf("grid.env"), TestContext.Current.CancellationToken)).Trim().Split('=', 2);
        string connection = Read("gateway", [("Grid__Cluster", "redis"), (setting[0], setting[1])]).Cluster.Connection!;
        string password = StackExchange.Redis.ConfigurationOptions.Parse(connection).Password!;
        Assert.Contains($" >{password} ", await File.ReadAllTextAsync(folder.PathOf("secrets/redis-users.acl"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Equal(1, (await RunAsync(script)).Code);
    }

    [Theory]
    [InlineData("silo")]
    [InlineData("gateway")]
    public void A_unit_starts_its_program_with_options_that_it_takes_and_waits_for_its_drain(string program)
    {
        var unit = Text($"deploy/systemd/grid-{program}.service").Split('\n').Where(line => line.Contains('=', StringComparison.Ordinal) && !line.StartsWith('#'))
            .Select(line => line.Split('=', 2)).ToLookup(line => line[0], line => line[1]);
        string assembly = (program == "silo" ? typeof(GridNode) : typeof(GatewayNode)).Assembly.GetName().Name!;
        Assert.Equal($"/usr/bin/dotnet /opt/grid/{program}/{assembly}.dll", unit["ExecStart"].Single());
        string file = Assert.Single(unit["EnvironmentFile"]);
        var settings = Text($"deploy/systemd/{Path.GetFileName(file)}").Split('\n').Concat(unit["Environment"]).Where(line => line.Contains("__", StringComparison.Ordinal) && !line.StartsWith('#'))
            .Select(line => line.Split('=', 2)).Select(line => (line[0], line[1]));
        var options = Read(program, settings);
        Assert.True(Seconds(unit["TimeoutStopSec"].Single() + "s") > options.Grace + NodeHost.StopMargin);
        Assert.Equal(StartException.Usage, int.Parse(unit["RestartPreventExitStatus"].Single(), CultureInfo.InvariantCulture));
        Assert.Equal(
            [options.Cluster.ClusterSecretFile, options.Gateway.Access.ApiKeyFile],
            unit["LoadCredential"].Select(credential => $"%d/{credential.Split(':')[0]}"));
        if (options is NodeOptions { KernelCache: { } kernels })
        {
            Assert.StartsWith($"/var/cache/{unit["CacheDirectory"].Single()}/", kernels, StringComparison.Ordinal);
        }
    }

    private static GatewayNodeOptions Read(string program, IEnumerable<(string Name, string Value)> settings)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(
            settings.Select(setting => KeyValuePair.Create(setting.Name.Replace("__", ":", StringComparison.Ordinal), (string?)setting.Value))).Build();
        return program == "silo" ? GridNode.Program.Read([], configuration) : GatewayNode.Program.Read([], configuration);
    }

    private static async Task<(int Code, string Output)> RunAsync(string script)
    {
        using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("bash", [script]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, output);
    }

    /// <summary>The stages of the Dockerfile, with what each instruction has; the last one counts.</summary>
    private static Dictionary<string, Stage> ReadStages()
    {
        var stages = new Dictionary<string, Stage>();
        Stage? current = null;
        foreach (string line in Text("deploy/images/Dockerfile").Split('\n').Where(line => line.Length > 0 && line[0] != '#'))
        {
            string[] words = line.Split(' ', 2);
            if (words[0] == "FROM")
            {
                string[] names = words[1].Split(" AS ");
                current = stages[names[1]] = new Stage(names[0]);
            }
            else if (current is not null)
            {
                current[words[0]] = words[1];
            }
        }
        return stages;
    }

    private static Dictionary<string, object> ReadYaml(string path) =>
        new DeserializerBuilder().Build().Deserialize<Dictionary<string, object>>(new MergingParser(new Parser(new StringReader(Text(path)))));

    private static Dictionary<string, object> Map(object value) => ((Dictionary<object, object>)value).ToDictionary(entry => $"{entry.Key}", entry => entry.Value);

    private static string[] List(object value) => [.. ((List<object>)value).Select(item => $"{item}")];

    private static TimeSpan Seconds(object value) => TimeSpan.FromSeconds(int.Parse($"{value}"[..^1], CultureInfo.InvariantCulture));

    private static string Text(string path) => File.ReadAllText(PathOf(path));

    private static string PathOf(string path, [CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "..", path);

    [GeneratedRegex("\"([^\"]+)\"")]
    private static partial Regex QuotedText();

    [GeneratedRegex("mountPath: (\\S+)")]
    private static partial Regex MountPath();

    [GeneratedRegex("Bearer (\\S+)")]
    private static partial Regex BearerKey();

    private sealed class Stage(string from) : Dictionary<string, string>
    {
        public string Base => from;
    }
}
