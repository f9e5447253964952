using System.Reflection;

namespace Grid.Gateway.Tests;

/// <summary>The gateway stays a face: nothing of devices, engines or models comes with it.</summary>
public sealed class ArchitectureTests
{
    [Fact]
    public void The_gateway_references_neither_workers_nor_engine_nor_models_nor_devices()
    {
        var seen = new HashSet<string>();
        Walk(typeof(GatewayHosting).Assembly, seen);
        Assert.Contains("Grid.Sequences", seen);
        Assert.DoesNotContain(seen, name => name is "Grid.Workers" or "Grid.Engine" or "Grid.Models" or "Grid.Cpu" or "Grid.Cuda");
    }

    private static void Walk(Assembly assembly, HashSet<string> seen)
    {
        foreach (var reference in assembly.GetReferencedAssemblies())
        {
            if (reference.Name!.StartsWith("Grid.", StringComparison.Ordinal) && seen.Add(reference.Name))
            {
                Walk(Assembly.Load(reference), seen);
            }
        }
    }
}
