using System.CommandLine;
using System.CommandLine.Invocation;

namespace Grid.Options;

/// <summary>The command line of a process with these options. Help, version and completions are System.CommandLine's; what is
/// wrong is said in the words that configuration errors have.</summary>
internal sealed class CommandLine
{
    private readonly RootCommand _root;
    private readonly Command _command;
    private readonly List<(Option<string[]> Symbol, DeclaredOption Option)> _symbols = [];
    private readonly Argument<string[]>? _operands;
    private readonly Func<string, IEnumerable<string>, StartException> _unknown;

    /// <param name="description">What the process is, for the help text.</param>
    /// <param name="options">Its options.</param>
    /// <param name="defaults">Their values where nothing is given.</param>
    /// <param name="unknown">Words the error for a name that is none of the names.</param>
    /// <param name="command">The word that its command lines begin with; null where they have none.</param>
    /// <param name="operands">What a command line may have beside options; null where it has nothing.</param>
    public CommandLine(
        string description, IReadOnlyList<DeclaredOption> options, object defaults, Func<string, IEnumerable<string>, StartException> unknown,
        string? command, OperandsAttribute? operands)
    {
        _root = new RootCommand(command is null ? description : "");
        _command = _root;
        if (command is not null)
        {
            _command = new Command(command, description);
            _root.Subcommands.Add(_command);
        }

        if (operands is not null)
        {
            _operands = new Argument<string[]>(operands.Takes) { Description = operands.What, Arity = ArgumentArity.ZeroOrMore };
            _command.Arguments.Add(_operands);
        }

        _unknown = unknown;
        foreach (var option in options)
        {
            Add(option, option.Name, option.Describe(defaults));
        }

        foreach (var option in options)
        {
            foreach (string other in option.OtherNames)
            {
                Add(option, other, description: null);
            }
        }
    }

    /// <summary>Takes a command line apart.</summary>
    public ParseResult Parse(IEnumerable<string> args) => _root.Parse(
        [.. args.SelectMany(SplitName)], new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });

    /// <summary>Whether a command line asks for something else than to run: help, version, completions.</summary>
    public static bool AsksElse(ParseResult parsed) => parsed.Action is not (null or ParseErrorAction);

    /// <summary>The values given, by key, with the names they were given under. Throws <see cref="StartException"/>.</summary>
    public Dictionary<string, (string Spelled, string Value)> Given(ParseResult parsed)
    {
        var given = new Dictionary<string, (string, string)>(StringComparer.OrdinalIgnoreCase);
        foreach (var (symbol, option) in _symbols)
        {
            if (parsed.GetResult(symbol) is { Implicit: false } result)
            {
                string value = result.Tokens is [var token, ..] ? token.Value
                    : option.Declaration.IsSwitch ? bool.TrueString
                    : throw Wrong($"{symbol.Name} has no value; it takes <{option.Declaration.Takes}>.");
                if (value.StartsWith("--", StringComparison.Ordinal))
                {
                    throw Unknown(value);
                }

                if (result.IdentifierTokenCount > 1 || !given.TryAdd(option.Key, (symbol.Name, value)))
                {
                    throw Wrong($"{symbol.Name} is given twice; give it once.");
                }
            }
        }

        if (parsed.UnmatchedTokens is [var stray, ..])
        {
            throw stray.StartsWith("--", StringComparison.Ordinal)
                ? Unknown(stray)
                : Wrong($"'{stray}' belongs to no option; options are written --name value or --name=value.");
        }

        return given;
    }

    /// <summary>What a command line has beside options. Throws <see cref="StartException"/> for an option that there is not: to the parser
    /// it is an operand.</summary>
    public string[] Operands(ParseResult parsed)
    {
        string[] given = _operands is null ? [] : parsed.GetValue(_operands) ?? [];
        return Array.Find(given, operand => operand.StartsWith("--", StringComparison.Ordinal)) is { } stray ? throw Unknown(stray) : given;
    }

    private void Add(DeclaredOption option, string name, string? description)
    {
        // As many values as there may be by mistake: what is wrong is said here and not by the parser.
        var symbol = new Option<string[]>(name)
        {
            Description = description,
            HelpName = option.Declaration.Takes,
            Hidden = description is null,
            Arity = ArgumentArity.ZeroOrMore,
        };
        symbol.CompletionSources.Add([.. option.Declaration.Values]);
        _symbols.Add((symbol, option));
        _command.Options.Add(symbol);
    }

    /// <summary>"--gateway:queuesize=8" in two, as its option is spelled: the parser takes ':' for '=', cares for the case of keys,
    /// and forgets a value that is empty.</summary>
    private IEnumerable<string> SplitName(string argument)
    {
        string[] parts = argument.Split('=', 2);
        var sameName = parts[0].Contains(':', StringComparison.Ordinal) ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        var symbol = _symbols.Find(known => known.Symbol.Name.Equals(parts[0], sameName)).Symbol;
        return symbol is null ? [argument] : [symbol.Name, .. parts.Skip(1)];
    }

    private StartException Unknown(string argument) => _unknown(argument.Split('=')[0], _symbols.Select(known => known.Option.Name).Distinct());

    private static StartException Wrong(string message) => new(message, StartException.Usage);
}
