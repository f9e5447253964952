using Grid.FaultySilo;
using Grid.Silo;
using Grid.Silo.Devices;
using Grid.Silo.Startup;

// As the silo's own program, with a faulty device that obeys lines of standard input: hang after <tokens>, go on, corrupt
// tokens after <tokens>, corrupt logprobs after <tokens>. Each is answered with a line, so that a test knows when it holds.
return await GridNode.Program.RunAsync(args, async options =>
{
    FaultyEngine? engine = null;
    await using var node = await GridNode.StartAsync(
        options, Console.Out, DeviceFinder.Find, CancellationToken.None, inner => engine = new FaultyEngine(inner));
    Banner.Write(Console.Out, node);
    _ = Task.Run(() => Obey(engine!));
    return await node.RunAsync();
});

static void Obey(FaultyEngine engine)
{
    while (Console.ReadLine() is { } line)
    {
        switch (line.Split(' '))
        {
            case ["hang", "after", var tokens]:
                engine.Hang(int.Parse(tokens, null));
                break;
            case ["go", "on"]:
                engine.GoOn();
                break;
            case ["corrupt", var what, "after", var tokens]:
                engine.Corrupt(int.Parse(tokens, null), inLogprob: what == "logprobs");
                break;
            default:
                throw new InvalidOperationException($"'{line}' is no order.");
        }

        Console.WriteLine($"Obeyed: {line}");
    }
}
