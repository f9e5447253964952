using System.CommandLine;
using Grid.Cli;
using Grid.Cli.Audit;
using Grid.Cli.Bench;
using Grid.Options;

(string Name, string What, Func<string[], Task<int>> Run)[] commands =
[
    ("verify", "asks a server the same things in different company, and compares the answers by bits", words => VerifyCommand.Program.RunAsync(words, VerifyCommand.RunAsync)),
    ("bench", "measures a server under load, as its clients see it", words => BenchCommand.Program.RunAsync(words, BenchCommand.RunAsync)),
    ("audit", "has receipts computed again, and says which hold", words => AuditCommand.Program.RunAsync(words, AuditCommand.RunAsync)),
    ("replay", "has an answer of a short while ago computed again", words => ReplayCommand.Program.RunAsync(words, ReplayCommand.RunAsync)),
];
if (args.Length > 0 && commands.FirstOrDefault(command => command.Name == args[0]).Run is { } run)
{
    return await run(args);
}

// Nothing to run: help, the version, completions, or a word that is no command.
var root = new RootCommand("grid asks a server of language models over HTTP. 'grid COMMAND --help' lists a command's options.");
foreach (var (name, what, _) in commands)
{
    root.Subcommands.Add(new Command(name, what));
}

if (args is [] or ["-h" or "-?" or "/?" or "--help" or "--version"] || args[0].StartsWith('['))
{
    return await root.Parse(args is [] ? ["--help"] : args).InvokeAsync();
}

await Console.Error.WriteLineAsync($"grid: '{args[0]}' is no command; there are {string.Join(", ", commands.Select(command => command.Name))}.");
return StartException.Usage;
