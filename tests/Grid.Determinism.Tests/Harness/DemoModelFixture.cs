using Grid.Cpu;
using Grid.Models;
using Xunit.Sdk;
using Xunit.v3;

[assembly: AssemblyFixture(typeof(Grid.Determinism.Tests.Harness.DemoModelFixture))]

// The model's working memory belongs to one step at a time, and each step uses all cores.
[assembly: Parallelization(Mode = ParallelMode.None)]

namespace Grid.Determinism.Tests.Harness;

/// <summary>The demo model on this machine's CPU, in the fastest form it has.</summary>
public sealed class DemoModelFixture() : ModelFixture(DemoModel.Path, new CpuOptions(), MaxRows)
{
    /// <summary>Rows that the model takes in one pass.</summary>
    public const int MaxRows = 1200;

    /// <summary>The same model in a chosen form.</summary>
    public static ModelFixture InForm(CpuOptions options) => new(DemoModel.Path, options, MaxRows);
}
