using System.Text.RegularExpressions;
using Grid.Cli.Bench;
using Grid.Cli.Verification;

namespace Grid.Cli.Tests;

/// <summary>The room's pages say what the program has.</summary>
public sealed partial class ReadmeTests
{
    [Theory]
    [InlineData("README.md")]
    [InlineData("BENCH.md")]
    public void Every_option_that_a_page_names_exists(string page)
    {
        string[] named = [.. OptionName().Matches(Read(page)).Select(match => match.Groups[1].Value).Distinct()];
        Assert.NotEmpty(named);
        Assert.Empty(named.Except(VerifyCommand.Program.Names).Except(BenchCommand.Program.Names).Except(["--project", "--help"]));
    }

    [Fact]
    public void The_README_has_a_row_for_every_mode() =>
        Assert.All(Verifier.ModeNames, mode => Assert.Contains($"\n| `{mode}` | ", Read("README.md"), StringComparison.Ordinal));

    [Fact]
    public void Pages_are_short() => Assert.All(
        (string[])["README.md", "BENCH.md"], page => Assert.InRange(Read(page).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length, 1, 700));

    private static string Read(string page) => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Pages", page));

    [GeneratedRegex("(?<![A-Za-z0-9-])(--[a-z][a-z0-9-]*)")]
    private static partial Regex OptionName();
}
