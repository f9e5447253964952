using Grid.Cpu;
using Grid.Determinism.Tests.Harness;

namespace Grid.Determinism.Tests;

public class DeviceFormTests(DemoModelFixture demo)
{
    [Theory]
    [InlineData(CpuInstructionSet.Avx512, 0)]
    [InlineData(CpuInstructionSet.Avx2, 0)]
    [InlineData(CpuInstructionSet.Portable, 0)]
    [InlineData(CpuInstructionSet.Auto, 1)]
    [InlineData(CpuInstructionSet.Auto, 3)]
    public void Instruction_set_and_cores_change_nothing(CpuInstructionSet set, int threads)
    {
        Assert.SkipUnless(CpuOptions.IsSupported(set), $"This machine has no {set}.");
        using var form = DemoModelFixture.InForm(new CpuOptions { InstructionSet = set, Threads = threads });
        var engine = form.NewEngine(chunk: 30, batch: 64);
        SequenceResult[] results =
        [
            .. Enumerable.Range(0, 6).Select(i => engine.Submit(Requests.Varied(i, maxPrompt: 80, maxOutput: 8))),
            engine.Submit(Requests.Make(Requests.Prompt(66, 50), 12, Requests.Sampling(2))),
        ];
        engine.RunToEnd();
        Assert.All(results, result => Bits.AssertSame(demo.Alone(result.Request), result));
    }
}
