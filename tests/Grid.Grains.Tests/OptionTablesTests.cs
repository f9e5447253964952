using System.Globalization;
using System.Text.RegularExpressions;
using Grid.Clustering;
using Grid.Gateway.Node;
using Grid.Options;
using Grid.Silo;

namespace Grid.Grains.Tests;

/// <summary>The rooms' tables of options say what the programs say.</summary>
public sealed partial class OptionTablesTests
{
    private static readonly Dictionary<string, string?> s_silo = Defaults(GridNode.Program);

    [Theory]
    [InlineData("silo.md")]
    [InlineData("silo-options.md")]
    [InlineData("gateway.md")]
    [InlineData("gateway-options.md")]
    [InlineData("gateway-api.md")]
    [InlineData("clustering.md")]
    public void Every_option_that_a_README_names_exists(string file)
    {
        string[] named = NamePattern().Matches(Read(file)).Select(match => match.Value[1..]).Distinct().ToArray();
        Assert.NotEmpty(named);
        Assert.Empty(named.Except(s_silo.Keys).Except(GridNode.Program.Aliases).Except(["--help", "--version", "--Gateway:<Name>"]));
    }

    [Fact]
    public void The_gateways_table_has_every_limit_with_its_default()
    {
        var rows = Rows("gateway-options.md").Where(row => !row[0].StartsWith('-')).ToDictionary(row => $"--Gateway:{row[0]}", row => row[1]);
        var options = Defaults(GatewayNode.Program).Where(option => option.Key.StartsWith("--Gateway:", StringComparison.Ordinal)).ToDictionary();
        Assert.NotEmpty(options);
        Assert.Equal(options.Keys.Order(), rows.Keys.Where(options.ContainsKey).Order());
        Assert.All(options, option => Assert.Equal(option.Value,
            option.Value!.All(char.IsDigit) ? ByteSize.Parse(rows[option.Key]).ToString(CultureInfo.InvariantCulture) : rows[option.Key]));
    }

    [Fact]
    public void The_clusters_table_has_every_option_with_its_default()
    {
        var rows = Rows("clustering.md").Where(row => row[0].StartsWith('-'))
            .SelectMany(row => NameInCell().Matches(row[0]).Select(name => KeyValuePair.Create(name.Value, row[1]))).ToDictionary();
        var options = Defaults(new GridProgram<ClusterNodeOptions>("", "", ""));
        options["--gateway-port"] = s_silo["--gateway-port"];
        Assert.Equal(options.Keys.Order(), rows.Keys.Order());
        Assert.All(options.Where(option => option.Value is not null), option => Assert.StartsWith(option.Value!, rows[option.Key], StringComparison.Ordinal));
    }

    [Fact]
    public void The_silos_table_has_the_defaults_of_devices()
    {
        var options = s_silo.Where(option => option.Value?.EndsWith("on a CPU", StringComparison.Ordinal) == true).ToDictionary();
        Assert.Equal(3, options.Count);
        var rows = Rows("silo-options.md").Where(row => row.Length == 3 && options.ContainsKey(row[0].Split(' ')[0]))
            .ToDictionary(row => row[0].Split(' ')[0], row => (string?)$"{row[1]} on a GPU, {row[2]} on a CPU");
        Assert.Equal(options.OrderBy(option => option.Key), rows.OrderBy(option => option.Key));
    }

    /// <summary>Names and defaults, null for none, as the help text has them.</summary>
    private static Dictionary<string, string?> Defaults<T>(GridProgram<T> program) where T : class, new()
    {
        var help = new StringWriter();
        program.WriteHelp(help);
        return help.ToString().Split('\n').Select(line => HelpPattern().Match(line)).Where(match => match.Success && match.Value.Contains('<', StringComparison.Ordinal))
            .ToDictionary(match => match.Groups[1].Value, match => match.Groups[2].Success ? match.Groups[2].Value : null);
    }

    /// <summary>The cells of all tables, without marks.</summary>
    private static IEnumerable<string[]> Rows(string file) => Read(file).Split('\n').Where(line => line.StartsWith("| ", StringComparison.Ordinal))
        .Select(line => line.Replace("`", "", StringComparison.Ordinal).Split('|')[1..^1].Select(cell => cell.Trim()).ToArray());

    private static string Read(string file) => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Readme", file));

    [GeneratedRegex("`--[A-Za-z][A-Za-z:<>-]+")]
    private static partial Regex NamePattern();

    [GeneratedRegex("--[a-z-]+")]
    private static partial Regex NameInCell();

    [GeneratedRegex(@"^  (--\S+) <.*?(?:\(default: ([^()]*)\))?\s*$")]
    private static partial Regex HelpPattern();
}
