using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Grid.Clustering;
using Grid.Gateway.Metrics;
using Grid.Gateway.Node;
using Grid.Gateway.Tests.Fakes;
using Grid.Silo;
using Grid.Silo.Options;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Configuration;

namespace Grid.Gateway.Tests;

/// <summary>deploy/kubernetes: what its manifests name exists in Kubernetes' types and in the programs, and its times fit together.</summary>
public sealed partial class KubernetesTests
{
    private static readonly Dictionary<string, Type> s_types = new()
    {
        ["keda.sh/v1alpha1/ScaledObject"] = typeof(ScaledObject),
        ["secrets-store.csi.x-k8s.io/v1/SecretProviderClass"] = typeof(SecretProviderClass),
    };

    /// <summary>Patches by path, which are no objects.</summary>
    private static readonly string[] s_patches = ["shared-models.yaml"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string> Overlays => new(Directory.GetDirectories(Path.Combine(Folder(), "overlays")).Select(folder => Path.GetFileName(folder)!).Order());

    /// <summary>Without kubectl too: patches are parts of objects, and name only what there is.</summary>
    [Fact]
    public async Task Every_file_is_read_by_Kubernetes_own_types_and_names_what_there_is()
    {
        string[] options = [.. GridNode.Program.Names.Select(Key)];
        string[] files = [.. Directory.GetFiles(Folder(), "*.yaml", SearchOption.AllDirectories).Where(file => Path.GetFileName(file) != "kustomization.yaml" && !s_patches.Contains(Path.GetFileName(file)))];
        Assert.NotEmpty(files);
        foreach (string file in files)
        {
            string text = await File.ReadAllTextAsync(file, Token);
            Assert.NotEmpty(Read(text, file));
            Assert.DoesNotContain("kind: Secret\n", text, StringComparison.Ordinal);
            Assert.Empty(SettingName().Matches(text).Select(match => Key(match.Value)).Except(options, StringComparer.OrdinalIgnoreCase));
        }
    }

    /// <summary>A folder that no overlay takes is held by no test.</summary>
    [Fact]
    public async Task Every_file_is_part_of_an_overlay()
    {
        string[] all = [.. Directory.GetFiles(Folder(), "*.yaml", SearchOption.AllDirectories).Select(Path.GetFullPath).Order()];
        var taken = new HashSet<string>();
        foreach (string overlay in Directory.GetDirectories(Path.Combine(Folder(), "overlays")))
        {
            await TakeAsync(overlay);
        }
        Assert.Equal(all, taken.Order());

        async Task TakeAsync(string folder)
        {
            string file = Path.GetFullPath(Path.Combine(folder, "kustomization.yaml"));
            taken.Add(file);
            var kustomization = KubernetesYaml.Deserialize<Kustomization>(await File.ReadAllTextAsync(file, Token), strict: true);
            taken.UnionWith(((string[])[.. kustomization.Resources, .. kustomization.PatchesStrategicMerge, .. kustomization.PatchesJson6902.Select(patch => patch.Path)]).Select(name => Path.GetFullPath(Path.Combine(folder, name))));
            foreach (string name in kustomization.Bases)
            {
                await TakeAsync(Path.Combine(folder, name));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task An_overlay_runs_programs_with_options_that_they_take(string overlay)
    {
        object[] objects = await BuildAsync(overlay);
        var maps = objects.OfType<V1ConfigMap>().ToDictionary(map => map.Metadata.Name, map => map.Data);
        var pods = Pods(objects).ToArray();
        var ports = new HashSet<int>();
        var programs = new HashSet<string>();
        foreach (var pod in pods.Where(pod => pod.Metadata.Labels["app.kubernetes.io/name"] == "grid"))
        {
            var container = Assert.Single(pod.Spec.Containers);
            var settings = Settings(container, maps);
            var options = container.Image.Split(':')[0] switch
            {
                "grid-silo" => GridNode.Program.Read(Arguments(container), settings),
                "grid-gateway" => GatewayNode.Program.Read(Arguments(container), settings),
                var other => throw new InvalidDataException($"{other} is none of Grid's programs."),
            };
            programs.Add(container.Image.Split(':')[0]);
            Assert.Null(container.Command);

            // Where it listens, and who asks whether it is there.
            var named = container.Ports.ToDictionary(port => port.Name, port => port.ContainerPort);
            Assert.Equal(new() { ["http"] = options.Port, ["cluster"] = options.Cluster.SiloPort }, named);
            Assert.Equal("0.0.0.0", options.Host.ToString());
            ports.Add(options.Cluster.SiloPort);
            var annotations = pod.Metadata.Annotations;
            Assert.Equal(("true", $"{options.Port}", "/metrics"), (annotations["prometheus.io/scrape"], annotations["prometheus.io/port"], annotations["prometheus.io/path"]));
            foreach (var (probe, path) in new[] { (container.StartupProbe, "/livez"), (container.ReadinessProbe, "/readyz"), (container.LivenessProbe, "/livez") })
            {
                Assert.Equal((path, "http"), (probe.HttpGet.Path, probe.HttpGet.Port.Value));
            }
            Assert.True(container.LivenessProbe.TimeoutSeconds * container.LivenessProbe.FailureThreshold >= 60);

            // Its place in the cluster.
            Assert.Equal(("metadata.name", "status.podIP"), (FieldOf("Grid__NodeName"), FieldOf("Grid__AdvertisedAddress")));
            Assert.NotEqual(ClusterStoreKind.Localhost, options.Cluster.Store);
            var connection = container.Env.Single(variable => variable.Name == "Grid__ClusterConnection").ValueFrom.SecretKeyRef;
            Assert.Equal(("grid-store", "connection"), (connection.Name, connection.Key));
            Assert.All(objects.OfType<SecretProviderClass>().SelectMany(one => one.Spec.SecretObjects), one =>
                Assert.Equal((connection.Name, connection.Key), (one.SecretName, Assert.Single(one.Data)["key"])));
            Assert.Null(options.Cluster.ClusterSecret);
            foreach (string file in new[] { options.Cluster.ClusterSecretFile!, options.Gateway.Access.ApiKeyFile! })
            {
                var volume = VolumeOf(pod, file);
                if (volume.Csi is { } vault)
                {
                    var source = Assert.Single(objects.OfType<SecretProviderClass>(), one => one.Metadata.Name == vault.VolumeAttributes["secretProviderClass"]);
                    Assert.Contains($"objectAlias: {Path.GetFileName(file)}\n", source.Spec.Parameters["objects"], StringComparison.Ordinal);
                    continue;
                }
                Assert.Equal("grid-cluster", volume.Secret.SecretName);
                Assert.Contains(volume.Secret.Items, item => item.Path == Path.GetFileName(file));
            }
            Assert.True(options.Gateway.Access.OpenMetrics); // Prometheus has no key.

            // Its stop.
            var wait = TimeSpan.FromSeconds(container.Lifecycle?.PreStop.Sleep.Seconds ?? 0);
            Assert.Equal(options is not NodeOptions, wait > TimeSpan.Zero);
            Assert.True(TimeSpan.FromSeconds(pod.Spec.TerminationGracePeriodSeconds!.Value) > wait + options.Grace + NodeHost.StopMargin);

            // What it writes.
            Assert.NotNull(VolumeOf(pod, "/tmp/").EmptyDir);
            string[] written = [.. new[] { (options as NodeOptions)?.KernelCache, settings["HF_HOME"] }.OfType<string>()];
            Assert.All(written, path => Assert.DoesNotContain(container.VolumeMounts, mount => IsIn(path, mount) && mount.ReadOnlyProperty == true));
            Assert.All(written, path => Assert.Contains(container.VolumeMounts, mount => IsIn(path, mount)));
            Assert.Equal(options is NodeOptions { KernelCache: not null }, container.Resources.Limits.ContainsKey("nvidia.com/gpu"));
            if (options is NodeOptions node)
            {
                Assert.Equal(container.Resources.Limits.ContainsKey("nvidia.com/gpu") ? "cuda" : "cpu", Argument("Grid__Device"));
                Assert.Equal(node.ModelPath is null, overlay == "local-cpu");
            }

            string FieldOf(string name) => container.Env.Single(variable => variable.Name == name).ValueFrom.FieldRef.FieldPath;
            string? Argument(string name) => container.Env.Single(variable => variable.Name == name).Value;
        }
        Assert.Equal(["grid-gateway", "grid-silo"], programs.Order());
        Assert.Single(ports);
    }

    /// <summary>What "restricted" of Kubernetes' pod security standards asks for, and a root that cannot be written.</summary>
    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task An_overlays_pods_may_do_little(string overlay)
    {
        foreach (var pod in Pods(await BuildAsync(overlay)))
        {
            Assert.Equal((true, "RuntimeDefault"), (pod.Spec.SecurityContext.RunAsNonRoot, pod.Spec.SecurityContext.SeccompProfile.Type));
            Assert.True(pod.Spec.SecurityContext.RunAsUser > 0 && pod.Spec.SecurityContext.FsGroup > 0);
            Assert.Equal((false, false), (pod.Spec.AutomountServiceAccountToken, pod.Spec.EnableServiceLinks));
            foreach (var container in pod.Spec.Containers)
            {
                Assert.Equal((false, true), (container.SecurityContext.AllowPrivilegeEscalation, container.SecurityContext.ReadOnlyRootFilesystem));
                Assert.Equal(["ALL"], container.SecurityContext.Capabilities.Drop);
                // A registry's host is the user's to name.
                Assert.Matches("^[a-z-]+:[a-z0-9.]+$", container.Image);
            }
        }
    }

    /// <summary>What names a label, a port, a volume or an object of the same overlay finds it.</summary>
    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task An_overlays_objects_find_each_other(string overlay)
    {
        object[] objects = await BuildAsync(overlay);
        var pods = Pods(objects).ToArray();
        Assert.All(objects.OfType<V1Deployment>(), one => Assert.True(Selects(one.Spec.Selector, one.Spec.Template)));
        foreach (var set in objects.OfType<V1StatefulSet>())
        {
            Assert.Equal(set.Spec.Template, Assert.Single(pods, pod => Selects(set.Spec.Selector, pod)));
            Assert.Contains(objects.OfType<V1Service>(), service => service.Metadata.Name == set.Spec.ServiceName);
        }
        foreach (var service in objects.OfType<V1Service>())
        {
            var pod = Assert.Single(pods, pod => Selects(new() { MatchLabels = service.Spec.Selector }, pod));
            Assert.All(service.Spec.Ports, port => Assert.Contains(pod.Spec.Containers[0].Ports, one => one.Name == port.TargetPort.Value));
        }
        foreach (var pod in pods)
        {
            var container = Assert.Single(pod.Spec.Containers);
            string[] volumes = [.. pod.Spec.Volumes.Select(volume => volume.Name), .. objects.OfType<V1StatefulSet>().Where(set => set.Spec.Template == pod).SelectMany(set => set.Spec.VolumeClaimTemplates ?? []).Select(claim => claim.Metadata.Name)];
            Assert.Equal(volumes.Order(), container.VolumeMounts.Select(mount => mount.Name).Order());
            foreach (var volume in pod.Spec.Volumes)
            {
                if (volume.PersistentVolumeClaim is { } claim)
                {
                    string disk = Assert.Single(objects.OfType<V1PersistentVolumeClaim>(), one => one.Metadata.Name == claim.ClaimName).Spec.VolumeName;
                    Assert.Contains(objects.OfType<V1PersistentVolume>(), one => one.Metadata.Name == disk);
                }
                if (volume.Csi is not null)
                {
                    Assert.Contains(objects.OfType<V1ServiceAccount>(), one => one.Metadata.Name == pod.Spec.ServiceAccountName);
                }
            }
            Assert.All(pod.Spec.TopologySpreadConstraints ?? [], constraint => Assert.True(Selects(constraint.LabelSelector, pod)));
            Assert.All(
                new[] { container.StartupProbe, container.ReadinessProbe, container.LivenessProbe }.Select(probe => probe?.HttpGet?.Port ?? probe?.TcpSocket?.Port).OfType<IntOrString>(),
                port => Assert.Contains(container.Ports, one => one.Name == port.Value));
        }
        // One of Grid's at a time may be taken away.
        Assert.All(pods.Where(IsGrid), pod => Assert.Equal(1, int.Parse(Assert.Single(
            objects.OfType<V1PodDisruptionBudget>(), budget => Selects(budget.Spec.Selector, pod)).Spec.MaxUnavailable.Value, System.Globalization.CultureInfo.InvariantCulture)));
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task An_overlays_ports_are_open_to_whom_they_are_for(string overlay)
    {
        object[] objects = await BuildAsync(overlay);
        var pods = Pods(objects).ToArray();
        var policies = objects.OfType<V1NetworkPolicy>().ToArray();
        Assert.All(policies, policy => Assert.Contains(pods, pod => Selects(policy.Spec.PodSelector, pod)));
        Assert.All(policies, policy => Assert.Equal(["Ingress"], policy.Spec.PolicyTypes));
        foreach (var pod in pods)
        {
            var rules = policies.Where(policy => Selects(policy.Spec.PodSelector, pod)).SelectMany(policy => policy.Spec.Ingress).ToArray();
            foreach (var port in pod.Spec.Containers[0].Ports)
            {
                var rule = Assert.Single(rules, rule => rule.Ports.Any(one => one.Port.Value == port.Name));
                Assert.Single(rule.Ports);
                bool isGateway = pod.Metadata.Labels.TryGetValue("app.kubernetes.io/component", out string? component) && component == "gateway";
                if (port.Name == "http" && isGateway)
                {
                    Assert.Null(rule.FromProperty);
                    continue;
                }
                var from = Assert.Single(rule.FromProperty);
                if (port.Name == "http")
                {
                    Assert.Equal("monitoring", from.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"]);
                    continue;
                }
                Assert.Null(from.NamespaceSelector);
                Assert.Equal(pods.Where(IsGrid), pods.Where(caller => Selects(from.PodSelector, caller)));
            }
        }
    }

    [Fact]
    public async Task Scaling_asks_for_what_waits_at_workers_that_there_are()
    {
        object[] objects = await BuildAsync("autoscaled");
        var scaled = Assert.Single(objects.OfType<ScaledObject>());
        var target = Assert.Single(objects.OfType<V1StatefulSet>(), set => set.Metadata.Name == scaled.Spec.ScaleTargetRef.Name);
        Assert.Equal((target.ApiVersion, target.Kind), (scaled.Spec.ScaleTargetRef.ApiVersion, scaled.Spec.ScaleTargetRef.Kind));
        Assert.Null(target.Spec.Replicas);
        var trigger = Assert.Single(scaled.Spec.Triggers);
        Assert.Equal("prometheus", trigger.Type);
        Assert.Equal(["query", "serverAddress", "threshold"], trigger.Metadata.Keys.Order());
        var query = QueryPattern().Match(trigger.Metadata["query"]);
        var metric = Assert.Single(PrometheusNames.All.Where(name => name.Name == query.Groups["metric"].Value).DistinctBy(name => name.Name));
        Assert.Contains(query.Groups["label"].Value, metric.Labels.Select(label => label.Name));
        Assert.Contains(target.Spec.Template.Spec.Containers[0].Env, variable => variable.Name == "Grid__ModelPath" && variable.Value == query.Groups["value"].Value);
    }

    [Fact]
    public async Task Paths_that_pods_are_asked_at_answer()
    {
        string[] paths = [.. (await Task.WhenAll(Directory.GetFiles(Folder(), "*.yaml", SearchOption.AllDirectories).Select(file => File.ReadAllTextAsync(file, Token))))
            .SelectMany(text => PathPattern().Matches(text)).Select(match => match.Groups[1].Value).Distinct()];
        Assert.Equal(["/livez", "/metrics", "/readyz"], paths.Order());
        await using var app = await GatewayApp.StartAsync();
        foreach (string path in paths)
        {
            using var response = await app.Client.GetAsync(path, Token);
            Assert.Equal(200, (int)response.StatusCode);
        }
    }

    /// <summary>The objects of an overlay, as kubectl builds them. Strict: a field that a type has not is refused.</summary>
    private static async Task<object[]> BuildAsync(string overlay)
    {
        string? kubectl = Environment.GetEnvironmentVariable("PATH")!.Split(':').Select(folder => Path.Combine(folder, "kubectl")).FirstOrDefault(File.Exists);
        Assert.SkipUnless(kubectl is not null, "kubectl is not installed (Debian: kubernetes-client).");
        using var process = Process.Start(new ProcessStartInfo(kubectl!, ["kustomize", Path.Combine(Folder(), "overlays", overlay)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var errors = process.StandardError.ReadToEndAsync(Token);
        string text = await process.StandardOutput.ReadToEndAsync(Token);
        await process.WaitForExitAsync(Token);
        Assert.True(process.ExitCode == 0, await errors);
        return Read(text, overlay);
    }

    private static object[] Read(string text, string source)
    {
        try
        {
            return [.. KubernetesYaml.LoadAllFromString(text, s_types, strict: true)];
        }
        catch (YamlDotNet.Core.YamlException exception)
        {
            throw new InvalidDataException($"{source}: {exception.Message} {exception.InnerException?.Message}", exception);
        }
    }

    private static IEnumerable<V1PodTemplateSpec> Pods(IEnumerable<object> objects) =>
        objects.Select(one => one switch { V1Deployment deployment => deployment.Spec.Template, V1StatefulSet set => set.Spec.Template, _ => null }).OfType<V1PodTemplateSpec>();

    private static bool IsGrid(V1PodTemplateSpec pod) => pod.Metadata.Labels["app.kubernetes.io/name"] == "grid";

    private static bool Selects(V1LabelSelector selector, V1PodTemplateSpec pod) =>
        selector.MatchLabels.All(label => pod.Metadata.Labels.TryGetValue(label.Key, out string? value) && value == label.Value);

    /// <summary>The environment of a container, as a process reads it.</summary>
    private static IConfigurationRoot Settings(V1Container container, Dictionary<string, IDictionary<string, string>> maps)
    {
        var variables = new Dictionary<string, string?>();
        foreach (var (name, value) in container.EnvFrom.SelectMany(from => maps[from.ConfigMapRef.Name]))
        {
            variables[name] = value;
        }
        foreach (var variable in container.Env)
        {
            variables[variable.Name] = variable.Value ?? variable.ValueFrom.FieldRef?.FieldPath switch
            {
                "metadata.name" => "grid-worker-0",
                "status.podIP" => "10.0.0.7",
                null => variable.ValueFrom.SecretKeyRef.Key,
                var other => throw new InvalidDataException($"{other} is no field that is known here."),
            };
        }
        string hub = File.ReadAllText(Path.Combine(Folder(), "..", "..", "src", "Grid.Models", "Hub", "HubSettings.cs"));
        Assert.All(variables.Keys.Where(name => !SettingName().IsMatch(name)), name => Assert.Contains($"\"{name}\"", hub, StringComparison.Ordinal));
        return new ConfigurationBuilder().AddInMemoryCollection(variables.Select(variable => KeyValuePair.Create(variable.Key.Replace("__", ":", StringComparison.Ordinal), variable.Value))).Build();
    }

    private static IEnumerable<string> Arguments(V1Container container) => container.Args ?? [];

    private static V1Volume VolumeOf(V1PodTemplateSpec pod, string path)
    {
        var mount = Assert.Single(pod.Spec.Containers[0].VolumeMounts, mount => IsIn(path, mount));
        return pod.Spec.Volumes.Single(volume => volume.Name == mount.Name);
    }

    private static bool IsIn(string path, V1VolumeMount mount) => path == mount.MountPath || path.StartsWith($"{mount.MountPath}/", StringComparison.Ordinal);

    /// <summary>"Grid__NodeName" and "--node-name" are "Grid:NodeName" both.</summary>
    private static string Key(string name) => name.StartsWith("--", StringComparison.Ordinal)
        ? name.Contains(':', StringComparison.Ordinal) ? name[2..] : $"Grid:{name[2..].Replace("-", "", StringComparison.Ordinal)}"
        : name.Replace("__", ":", StringComparison.Ordinal);

    private static string Folder([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "deploy", "kubernetes");

    [GeneratedRegex("\\b(?:Grid|Gateway)__[A-Za-z0-9_]+")]
    private static partial Regex SettingName();

    [GeneratedRegex("^sum\\((?<metric>[a-z:_]+)\\{(?<label>[a-z_]+)=\"(?<value>[^\"]+)\"\\}\\)$")]
    private static partial Regex QueryPattern();

    [GeneratedRegex("\\bpath: (/[a-z]+)$", RegexOptions.Multiline)]
    private static partial Regex PathPattern();

    /// <summary>What of kustomize is used: what Debian's kubectl knows too.</summary>
    private sealed class Kustomization
    {
        public IList<string> Bases { get; set; } = [];

        public IList<string> Resources { get; set; } = [];

        public string Namespace { get; set; } = "";

        public IList<string> PatchesStrategicMerge { get; set; } = [];

        public IList<PatchByPath> PatchesJson6902 { get; set; } = [];

        public IDictionary<string, string> CommonLabels { get; set; } = new Dictionary<string, string>();

        public string NameSuffix { get; set; } = "";

        public IList<IDictionary<string, string>> Images { get; set; } = [];
    }

    private sealed class PatchByPath
    {
        public IDictionary<string, string> Target { get; set; } = new Dictionary<string, string>();

        public string Path { get; set; } = "";
    }

    /// <summary>What of the secrets driver's object is used; the client package has no types of it.</summary>
    private sealed class SecretProviderClass
    {
        public string ApiVersion { get; set; } = "";

        public string Kind { get; set; } = "";

        public V1ObjectMeta Metadata { get; set; } = new();

        public SecretProviderSpec Spec { get; set; } = new();
    }

    private sealed class SecretProviderSpec
    {
        public string Provider { get; set; } = "";

        public IDictionary<string, string> Parameters { get; set; } = new Dictionary<string, string>();

        public IList<SecretObject> SecretObjects { get; set; } = [];
    }

    private sealed class SecretObject
    {
        public string SecretName { get; set; } = "";

        public string Type { get; set; } = "";

        public IList<IDictionary<string, string>> Data { get; set; } = [];
    }

    /// <summary>What of KEDA's object is used; its client package has no types of it.</summary>
    private sealed class ScaledObject
    {
        public string ApiVersion { get; set; } = "";

        public string Kind { get; set; } = "";

        public V1ObjectMeta Metadata { get; set; } = new();

        public ScaledObjectSpec Spec { get; set; } = new();
    }

    private sealed class ScaledObjectSpec
    {
        public V1CrossVersionObjectReference ScaleTargetRef { get; set; } = new();

        public int MinReplicaCount { get; set; }

        public int MaxReplicaCount { get; set; }

        public int PollingInterval { get; set; }

        public int CooldownPeriod { get; set; }

        public IList<ScaledObjectTrigger> Triggers { get; set; } = [];
    }

    private sealed class ScaledObjectTrigger
    {
        public string Type { get; set; } = "";

        public IDictionary<string, string> Metadata { get; set; } = new Dictionary<string, string>();
    }
}
