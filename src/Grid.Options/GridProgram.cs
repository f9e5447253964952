using System.CommandLine;
using System.Reflection;
using Microsoft.Extensions.Configuration;

namespace Grid.Options;

/// <summary>
/// A process and what it can be told: options on the command line, over the environment ("Grid__Port"), over appsettings.json.
/// All of them are read and checked before the process does anything.
/// </summary>
/// <typeparam name="TOptions">Its options (<see cref="OptionAttribute"/>), and those of the rooms that it is composed of
/// (<see cref="OptionsAttribute"/>).</typeparam>
public sealed class GridProgram<TOptions> where TOptions : class, new()
{
    private static readonly PropertyInfo? s_operands = Array.Find(typeof(TOptions).GetProperties(), property => property.IsDefined(typeof(OperandsAttribute)));
    private readonly string _name;
    private readonly string _product;
    private readonly string[] _words;
    private readonly IReadOnlyList<DeclaredOption> _options =
        [.. DeclaredOption.Of(typeof(TOptions)).OrderBy(option => option.Section != DeclaredOption.DefaultSection)];
    private readonly CommandLine _commandLine;

    /// <param name="name">What its errors begin with: "grid".</param>
    /// <param name="product">What its options are options of: "Grid".</param>
    /// <param name="description">What it is, for the help text.</param>
    /// <param name="command">Of a program that does several things, the word that asks for this one: its command lines begin with it, and
    /// what it does is said by them alone, not by the environment or a file.</param>
    public GridProgram(string name, string product, string description, string? command = null)
    {
        _name = name;
        _product = product;
        _words = command is null ? [] : [command];
        _commandLine = new CommandLine(description, _options, new TOptions(), Unknown, command, s_operands?.GetCustomAttribute<OperandsAttribute>());
    }

    /// <summary>Its options as the command line spells them, in the order of the help text.</summary>
    public IEnumerable<string> Names => _options.Select(option => option.Name);

    /// <summary>Other launchers' names for them.</summary>
    public IEnumerable<string> Aliases => _options.SelectMany(option => option.Declaration.Aliases);

    /// <summary>Runs the process and gives its exit code. What cannot start says so in one sentence on standard error.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="run">Runs with the options that were given, until it is asked to stop.</param>
    public async Task<int> RunAsync(string[] args, Func<TOptions, StopSignals, Task<int>> run)
    {
        using var signals = new StopSignals(_name);
        var output = new LossyWriter(Console.Out, reason => Console.Error.WriteLine($"{_name}: standard output cannot be written, and what it would say is lost: {reason}"));
        Console.SetError(new LossyWriter(Console.Error));
        Console.SetOut(output);
        try
        {
            var parsed = _commandLine.Parse(args);
            if (CommandLine.AsksElse(parsed))
            {
                int code = await parsed.InvokeAsync();
                return output.HasLost ? StartException.Failed : code;
            }

            return await run(Bind(parsed, _words.Length == 0 ? Configuration() : new ConfigurationBuilder().Build()), signals);
        }
        catch (StartException exception)
        {
            await Console.Error.WriteLineAsync($"{_name}: {exception.Message}");
            return exception.ExitCode;
        }
        catch (Exception exception)
        {
            // Nothing above foresaw it: a fault of Grid, and the trace is what a report of it needs.
            await Console.Error.WriteLineAsync($"{_name}: unexpected error. {exception}");
            return StartException.Failed;
        }
    }

    /// <summary>The options that a command line gives over a configuration. Throws <see cref="StartException"/> naming option,
    /// value and rule.</summary>
    public TOptions Read(IEnumerable<string> args, IConfiguration configuration) => Bind(_commandLine.Parse(args), configuration);

    /// <summary>Prints the options.</summary>
    public void WriteHelp(TextWriter output) => _commandLine.Parse([.. _words, "--help"]).Invoke(new InvocationConfiguration { Output = output });

    private static IConfigurationRoot Configuration() => new ConfigurationBuilder()
        .SetBasePath(AppContext.BaseDirectory)
        .AddJsonFile("appsettings.json", optional: true)
        .AddEnvironmentVariables()
        .Build();

    private TOptions Bind(ParseResult parsed, IConfiguration configuration)
    {
        var given = _commandLine.Given(parsed);
        var all = new ConfigurationBuilder()
            .AddConfiguration(configuration)
            .AddInMemoryCollection(given.Select(option => KeyValuePair.Create(option.Key, (string?)option.Value.Value)))
            .Build();
        var options = new TOptions();
        s_operands?.SetValue(options, _commandLine.Operands(parsed));
        foreach (var setting in _options.Select(option => option.Section).Distinct().SelectMany(section => all.GetSection(section).GetChildren()))
        {
            var option = _options.FirstOrDefault(known => known.Key.Equals(setting.Path, StringComparison.OrdinalIgnoreCase))
                ?? throw Unknown(setting.Path, _options.Select(known => known.Key));
            option.Set(options, given.TryGetValue(option.Key, out var spelled) ? spelled.Spelled : option.Key, setting.Value ?? "");
        }

        return options;
    }

    private StartException Unknown(string name, IEnumerable<string> known) => new(
        NearestName.Of(name, known) is { } nearest
            ? $"{name} is not an option of {_product}; did you mean {nearest}?"
            : $"{name} is not an option of {_product}; --help lists them.",
        StartException.Usage);
}

/// <summary>What every process of the grid has in common.</summary>
public static class GridProgram
{
    /// <summary>The product's version.</summary>
    public static string Version { get; } =
        typeof(GridProgram).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
}
