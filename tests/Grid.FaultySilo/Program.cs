using System.Collections.Concurrent;
using Grid.FaultySilo;
using Grid.Silo;
using Grid.Silo.Devices;
using Grid.Silo.Startup;

// As the silo's own program, with faulty devices that obey lines of standard input: "hang after <tokens>", "fail after <tokens>",
// "trap after <tokens>" (a GPU's), "go on", "corrupt tokens after <tokens>", "corrupt logprobs after <tokens>", "depend on the batch" and "do not depend on the batch" (a CPU);
// of several devices "<order> on <device>" names the one. Each is answered with a line, so that a test knows when it holds.
return await GridNode.Program.RunAsync(args, async (options, signals) =>
{
    var devices = new ConcurrentDictionary<string, FaultyDevice>();
    var engines = new ConcurrentDictionary<string, FaultyEngine>();
    await using var node = await signals.StartAsync(stop => GridNode.StartAsync(
        options, Console.Out, (all, output) => [.. DeviceFinder.Find(all, output).Select(device => devices[device.Name] = new FaultyDevice(device))], stop,
        (device, inner) => engines[device] = new FaultyEngine(devices[device], inner)));
    Banner.Write(Console.Out, node);
    _ = Task.Run(() => ObeyAll(engines));
    return await node.RunAsync(Console.Out, signals);
});

static void ObeyAll(IReadOnlyDictionary<string, FaultyEngine> engines)
{
    while (Console.ReadLine() is { } line)
    {
        string[] words = line.Split(' ');
        bool named = words is [_, .., "on", _] && engines.ContainsKey(words[^1]);
        if (!named && engines.Count > 1)
        {
            throw new InvalidOperationException($"'{line}' names none of {string.Join(", ", engines.Keys.Order())}.");
        }

        Obey(named ? engines[words[^1]] : engines.Values.Single(), named ? words[..^2] : words);
        Console.WriteLine($"Obeyed: {line}");
    }
}

static void Obey(FaultyEngine engine, string[] order)
{
    switch (order)
    {
        case ["hang", "after", var tokens]:
            engine.Hang(int.Parse(tokens, null));
            break;
        case ["go", "on"]:
            engine.GoOn();
            break;
        case ["fail", "after", var tokens]:
            engine.Fail(int.Parse(tokens, null));
            break;
        case ["trap", "after", var tokens]:
            engine.Trap(int.Parse(tokens, null));
            break;
        case [.. var whether, "depend", "on", "the", "batch"]:
            engine.DependOnBatch(whether is not ["do", "not"]);
            break;
        case ["corrupt", var what, "after", var tokens]:
            engine.Corrupt(int.Parse(tokens, null), inLogprob: what == "logprobs");
            break;
        default:
            throw new InvalidOperationException($"'{string.Join(' ', order)}' is no order.");
    }
}
