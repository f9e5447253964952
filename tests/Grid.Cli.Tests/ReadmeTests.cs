using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Grid.Cli.Audit;
using Grid.Cli.Bench;
using Grid.Cli.Verification;

namespace Grid.Cli.Tests;

/// <summary>The room's pages say what the program has.</summary>
public sealed partial class ReadmeTests
{
    [Theory]
    [InlineData("README.md")]
    [InlineData("BENCH.md")]
    [InlineData("AUDIT.md")]
    public void Every_option_that_a_page_names_exists(string page)
    {
        string[] named = [.. OptionName().Matches(Read(page)).Select(match => match.Groups[1].Value).Distinct()];
        Assert.NotEmpty(named);
        Assert.Empty(named.Except(VerifyCommand.Program.Names).Except(BenchCommand.Program.Names).Except(AuditCommand.Program.Names).Except(ReplayCommand.Program.Names).Except(["--project", "--help"]));
    }

    [Fact]
    public void The_README_has_a_row_for_every_mode() =>
        Assert.All(Verifier.ModeNames, mode => Assert.Contains($"\n| `{mode}` | ", Read("README.md"), StringComparison.Ordinal));

    [Fact]
    public void Pages_are_short() => Assert.All(
        (string[])["README.md", "BENCH.md", "AUDIT.md", "RELY.md"], page => Assert.InRange(Read(page).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length, 1, 700));

    /// <summary>A promise without its tests would be a claim.</summary>
    [Fact]
    public void Every_test_that_a_promise_names_exists()
    {
        string sources = string.Concat(Directory.EnumerateFiles(Tests(), "*Tests.cs", SearchOption.AllDirectories).Select(File.ReadAllText));
        string[] named = [.. TestName().Matches(Read("RELY.md")).Select(match => match.Groups[1].Value)];
        Assert.True(named.Length > 20);
        Assert.All(named, name => Assert.Matches($@"(void|Task) {name}\(", sources));
    }

    private static string Tests([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..");

    private static string Read(string page) => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Pages", page));

    [GeneratedRegex("`([A-Z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+)`")]
    private static partial Regex TestName();

    [GeneratedRegex("(?<![A-Za-z0-9-])(--[a-z][a-z0-9-]*)")]
    private static partial Regex OptionName();
}
