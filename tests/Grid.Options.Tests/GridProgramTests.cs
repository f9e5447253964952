using System.Net;
using Microsoft.Extensions.Configuration;

namespace Grid.Options.Tests;

public sealed class GridProgramTests
{
    private static readonly GridProgram<TestOptions> s_program = new("test", "the test", "What it is.");

    [Fact]
    public void Every_kind_of_option_is_read_and_what_is_not_given_keeps_its_default()
    {
        var options = Read(
            "--model-path /m --cluster-id a.b-c_1 --colour blue --cross-check --port=0 --max-bytes 9223372036854775807 --drain-seconds 60 --share 0.5 "
            + "--kv-cache-memory 1.5MiB --host localhost --advertised 10.0.0.1 --primary 127.0.0.1:1 --hedge-after 20 --Room:QueueSize 9");
        Assert.Equal(("/m", "a.b-c_1", Colour.LightBlue, true, 0, long.MaxValue), (options.ModelPath, options.ClusterId, options.Colour, options.CrossCheck, options.Port, options.MaxBytes));
        Assert.Equal((TimeSpan.FromSeconds(60), 0.5, 3L << 19, IPAddress.Loopback), (options.Grace, options.Share, options.KvCacheMemory, options.Host));
        Assert.Equal((IPAddress.Parse("10.0.0.1"), IPEndPoint.Parse("127.0.0.1:1")), (options.Advertised, options.Primary));
        Assert.Equal((TimeSpan.FromMilliseconds(20), 9), (options.Room.HedgeAfter, options.Room.QueueSize));

        options = Read("");
        Assert.Equal((null, "grid", Colour.Red, false, 8000, null, 4), (options.ModelPath, options.ClusterId, options.Colour, options.CrossCheck, options.Port, options.Share, options.Room.QueueSize));
    }

    [Theory]
    [InlineData("--model-path=", "--model-path is ''; it must not be empty.")]
    [InlineData("--cluster-id a/b", "--cluster-id is 'a/b'; it must be 1 to 100 letters, digits, '-', '_' or '.'.")]
    [InlineData("--colour green", "--colour is 'green'; it must be auto, red or blue.")]
    [InlineData("--cross-check maybe", "--cross-check is 'maybe'; it must be true or false.")]
    [InlineData("--port 65536", "--port is '65536'; it must be a whole number from 0 to 65535.")]
    [InlineData("--port=-1", "--port is '-1'; it must be a whole number from 0 to 65535.")]
    [InlineData("--port=+1", "--port is '+1'; it must be a whole number from 0 to 65535.")]
    [InlineData("--port=1.0", "--port is '1.0'; it must be a whole number from 0 to 65535.")]
    [InlineData("--max-bytes 9223372036854775808", "--max-bytes is '9223372036854775808'; it must be a whole number from 0 to 9223372036854775807.")]
    [InlineData("--drain-seconds 1m", "--drain-seconds is '1m'; it must be a whole number of seconds from 0 to 60.")]
    [InlineData("--hedge-after 19", "--hedge-after is '19'; it must be a whole number of milliseconds from 20 to 600.")]
    [InlineData("--share 1", "--share is '1'; it must be a share from 0.05 to 0.99.")]
    [InlineData("--share NaN", "--share is 'NaN'; it must be a share from 0.05 to 0.99.")]
    [InlineData("--kv-cache-memory 0", "--kv-cache-memory is '0'; it must be a size such as 512MiB or 2GB.")]
    [InlineData("--host nowhere", "--host is 'nowhere'; it must be an IP address of this machine, or localhost.")]
    [InlineData("--advertised 0.0.0.0", "--advertised is '0.0.0.0'; it must be an IP address that other nodes can reach.")]
    [InlineData("--advertised localhost", "--advertised is 'localhost'; it must be an IP address that other nodes can reach.")]
    [InlineData("--primary 127.0.0.1", "--primary is '127.0.0.1'; it must be an IP address with a port, such as 127.0.0.1:11111.")]
    [InlineData("--Room:QueueSize 10", "--Room:QueueSize is '10'; it must be a whole number from 0 to 9.")]
    public void A_wrong_value_is_refused_with_option_value_and_rule(string line, string message) => AssertRefused(line, message);

    [Theory]
    [InlineData("--prot 1", "--prot is not an option of the test; did you mean --port?")]
    [InlineData("--prot=1", "--prot is not an option of the test; did you mean --port?")]
    [InlineData("--port --prot", "--prot is not an option of the test; did you mean --port?")]
    [InlineData("--cross-check --prot 1", "--prot is not an option of the test; did you mean --port?")]
    [InlineData("--Room:QueueSze=1", "--Room:QueueSze is not an option of the test; did you mean --Room:QueueSize?")]
    [InlineData("--queue-size 1", "--queue-size is not an option of the test; --help lists them.")]
    [InlineData("--undeclared 1", "--undeclared is not an option of the test; --help lists them.")]
    [InlineData("serve", "'serve' belongs to no option; options are written --name value or --name=value.")]
    [InlineData("-p 1", "'-p' belongs to no option; options are written --name value or --name=value.")]
    [InlineData("--port 1 2", "'2' belongs to no option; options are written --name value or --name=value.")]
    [InlineData("--port", "--port has no value; it takes <number>.")]
    [InlineData("--port --host 127.0.0.1", "--port has no value; it takes <number>.")]
    [InlineData("--port 1 --port 1", "--port is given twice; give it once.")]
    [InlineData("--cross-check --cross-check", "--cross-check is given twice; give it once.")]
    [InlineData("--grid:port 1 --port 1", "--Grid:Port is given twice; give it once.")]
    public void What_is_no_option_or_not_given_rightly_is_refused(string line, string message) => AssertRefused(line, message);

    [Theory]
    [InlineData("Grid:Prot", "1", "Grid:Prot is not an option of the test; did you mean Grid:Port?")]
    [InlineData("Room:QueueSze", "1", "Room:QueueSze is not an option of the test; did you mean Room:QueueSize?")]
    [InlineData("Grid:QueueSize", "1", "Grid:QueueSize is not an option of the test; did you mean Room:QueueSize?")]
    [InlineData("Grid:Port", "x", "Grid:Port is 'x'; it must be a whole number from 0 to 65535.")]
    [InlineData("Room:QueueSize", "", "Room:QueueSize is ''; it must be a whole number from 0 to 9.")]
    public void A_wrong_setting_is_refused_like_a_wrong_option(string key, string value, string message) =>
        Assert.Equal(message, Assert.Throws<StartException>(() => Read("", (key, value))).Message);

    [Fact]
    public void The_command_line_goes_over_the_configuration_and_other_sections_are_nobodys()
    {
        var options = Read("--port 2 --room:queuesize=3", ("grid:port", "1"), ("Grid:CrossCheck", "True"), ("Room:QueueSize", "2"), ("Other:Thing", "x"));
        Assert.Equal((2, true, 3), (options.Port, options.CrossCheck, options.Room.QueueSize));
    }

    [Fact]
    public void The_help_text_says_what_each_option_is_what_it_takes_and_its_default()
    {
        var output = new StringWriter();
        s_program.WriteHelp(output);
        string help = string.Join('\n', output.ToString().Split('\n').Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries))));
        Assert.Contains("What it is.", help, StringComparison.Ordinal);
        Assert.Contains("\n--model-path <folder> A path\n", help, StringComparison.Ordinal);
        Assert.Contains("\n--colour <auto|red|blue> A colour (default: auto)\n", help, StringComparison.Ordinal);
        Assert.Contains("\n--cross-check <true|false> A switch (default: false)\n", help, StringComparison.Ordinal);
        Assert.Contains("\n--drain-seconds <seconds> A time (default: 20)\n", help, StringComparison.Ordinal);
        Assert.Contains("\n--kv-cache-memory <size> A size (default: 1 GiB)\n", help, StringComparison.Ordinal);
        Assert.Contains("\n--hedge-after <milliseconds> How long (default: never)\n--Room:QueueSize <number> Most of them (default: 4)\n", help, StringComparison.Ordinal);
        Assert.All(s_program.Names, name => Assert.Contains($"\n{name} <", help, StringComparison.Ordinal));
        Assert.DoesNotContain("Grid:", help, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refusal_is_one_sentence_and_exit_code_2_and_nothing_runs()
    {
        var (code, output, error) = await RunAsync("--prot", "1");
        Assert.Equal((2, "", "test: --prot is not an option of the test; did you mean --port?\n"), (code, output, error.ReplaceLineEndings("\n")));
        (code, output, error) = await RunAsync("--port", "3");
        Assert.Equal((3, "ran", ""), (code, output, error));
    }

    [Theory]
    [InlineData("A path", "--port", "1", "--help", "--wrong")]
    [InlineData("0.1.0", "--version")]
    [InlineData("--cluster-id", "[suggest]", "--clu")]
    [InlineData("blue", "[suggest:14]", "test --colour ")]
    public async Task Help_version_and_completions_are_printed_instead(string says, params string[] args)
    {
        var (code, output, error) = await RunAsync(args);
        Assert.Equal((0, ""), (code, error));
        Assert.Contains(says.Replace("0.1.0", typeof(GridProgramTests).Assembly.GetName().Version!.ToString(3), StringComparison.Ordinal), output, StringComparison.Ordinal);
        Assert.DoesNotContain("ran", output.Replace("Grid", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] args)
    {
        var (stdout, stderr) = (Console.Out, Console.Error);
        var (output, error) = (new StringWriter(), new StringWriter());
        Console.SetOut(output);
        Console.SetError(error);
        try
        {
            int code = await s_program.RunAsync(args, (options, _) =>
            {
                Console.Write("ran");
                return Task.FromResult(options.Port);
            });
            return (code, output.ToString(), error.ToString());
        }
        finally
        {
            Console.SetOut(stdout);
            Console.SetError(stderr);
        }
    }

    private static void AssertRefused(string line, string message)
    {
        var refused = Assert.Throws<StartException>(() => Read(line));
        Assert.Equal((message, StartException.Usage), (refused.Message, refused.ExitCode));
    }

    private static TestOptions Read(string line, params (string Key, string Value)[] settings)
    {
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create<string, string?>(setting.Key, setting.Value))).Build();
        return s_program.Read(line.Split(' ', StringSplitOptions.RemoveEmptyEntries), configuration);
    }
}
