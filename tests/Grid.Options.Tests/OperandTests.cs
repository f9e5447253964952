using Microsoft.Extensions.Configuration;

namespace Grid.Options.Tests;

/// <summary>A command of a program that has several, and what stands beside its options.</summary>
public sealed class OperandTests
{
    private static readonly GridProgram<Copying> s_copy = new("files", "files copy", "Copies.", "copy");

    [Fact]
    public void Operands_are_taken_in_their_order_wherever_they_stand_among_options()
    {
        var options = Read("copy", "a", "--times", "3", "b", "-");
        Assert.Equal(["a", "b", "-"], options.Files);
        Assert.Equal(3, options.Times);
        Assert.Empty(Read("copy").Files);
    }

    [Fact]
    public void An_option_that_there_is_not_is_no_operand() =>
        Assert.Equal("--tmies is not an option of files copy; did you mean --times?", Assert.Throws<StartException>(() => Read("copy", "a", "--tmies", "3")).Message);

    [Fact]
    public void Help_shows_the_command_with_its_operands()
    {
        var help = new StringWriter();
        s_copy.WriteHelp(help);
        Assert.Matches(@"copy \[<FILE>\.\.\.\] \[options\]", help.ToString());
        Assert.Contains("What is copied", help.ToString(), StringComparison.Ordinal);
        Assert.Contains("--times <number>", help.ToString(), StringComparison.Ordinal);
    }

    private static Copying Read(params string[] args) => s_copy.Read(args, new ConfigurationBuilder().Build());

    private sealed class Copying
    {
        [Operands("What is copied", "FILE")]
        public string[] Files { get; set; } = [];

        [NumberOption("How often", 1, 9)]
        public int Times { get; set; } = 1;
    }
}
