using Grid.Silo.Startup;
using Microsoft.Extensions.Time.Testing;

namespace Grid.Grains.Tests;

public sealed class ProgressDisplayTests : IDisposable
{
    private const long GiB = 1L << 30;

    private readonly FakeTimeProvider _time = new();
    private readonly StringWriter _output = new() { NewLine = "\n" };

    public void Dispose() => _output.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_is_quick_writes_nothing(bool isTerminal)
    {
        using (var display = new ProgressDisplay(_output, "Loading", isTerminal, _time))
        {
            for (int i = 0; i <= 10; i++)
            {
                display.Report(i * GiB, 10 * GiB);
                _time.Advance(TimeSpan.FromMilliseconds(15));
            }
        }

        Assert.Equal("", _output.ToString());
    }

    [Fact]
    public void Redirected_output_gets_a_line_every_few_seconds()
    {
        using (var display = new ProgressDisplay(_output, "Loading", isTerminal: false, _time))
        {
            for (int second = 0; second <= 11; second++)
            {
                display.Report(second * GiB / 2, 16 * GiB);
                _time.Advance(TimeSpan.FromSeconds(1));
            }
        }

        Assert.Equal(
            "Loading  2.5 GiB of 16 GiB (16 %), 512 MiB/s, 0:27 left\nLoading  5 GiB of 16 GiB (31 %), 512 MiB/s, 0:22 left\n",
            _output.ToString());
    }

    [Fact]
    public void A_terminal_gets_a_bar_that_is_redrawn_in_place_and_goes_away()
    {
        var display = new ProgressDisplay(_output, "Loading", isTerminal: true, _time);
        display.Report(0, 4 * GiB);
        _time.Advance(TimeSpan.FromSeconds(1));
        display.Report(GiB, 4 * GiB);
        const string First = "\rLoading  [######------------------]  1 GiB of 4 GiB (25 %), 1 GiB/s, 0:03 left";
        Assert.Equal(First, _output.ToString());

        _time.Advance(TimeSpan.FromSeconds(1));
        display.Report(2 * GiB, 4 * GiB);
        display.Dispose();

        Assert.StartsWith(First + "\rLoading  [############------------]  2 GiB of 4 GiB", _output.ToString(), StringComparison.Ordinal);
        string blank = new(' ', First.Length - 1);
        Assert.EndsWith($"\r{blank}\r", _output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain('\n', _output.ToString());
    }

    [Theory]
    [InlineData(80)]
    [InlineData(40)]
    public void A_line_is_never_as_wide_as_its_terminal(int columns)
    {
        var display = new ProgressDisplay(_output, "Loading weights onto cuda:0", isTerminal: true, _time, columns);
        for (int i = 0; i < 20; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            display.Report((100 * GiB) + (i * (GiB + 123_456_789)), 1000 * GiB);
        }

        Assert.All(_output.ToString().Split('\r'), line => Assert.InRange(line.Length, 0, columns - 1));
        Assert.Contains("of 1000 GiB", columns == 80 ? _output.ToString() : "of 1000 GiB", StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_there_before_is_not_speed_and_an_unknown_total_shows_no_bar()
    {
        var display = new ProgressDisplay(_output, "Downloading", isTerminal: false, _time);
        display.Report(100 * GiB, 0);
        _time.Advance(TimeSpan.FromSeconds(5));
        display.Report(105 * GiB, 0);

        Assert.Equal("Downloading  105 GiB, 1 GiB/s\n", _output.ToString());
    }

    [Fact]
    public void Standing_still_promises_no_end()
    {
        var display = new ProgressDisplay(_output, "Downloading", isTerminal: false, _time);
        display.Report(GiB, 2 * GiB);
        _time.Advance(TimeSpan.FromSeconds(30));
        display.Report(GiB, 2 * GiB);

        Assert.Equal("Downloading  1 GiB of 2 GiB (50 %), 0 KiB/s\n", _output.ToString());
    }
}
