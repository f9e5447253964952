namespace Grid.Numerics.Tests;

public sealed class ScanSliceTests
{
    [Fact]
    public void Every_part_of_a_scan_is_in_one_slice_and_all_of_them_in_the_whole()
    {
        var slices = Enumerable.Range(0, ScanSlice.Count).Select(number => ScanSlice.Read($"{number}")).ToArray();
        for (int part = 0; part < 64; part++)
        {
            Assert.Single(slices, slice => slice.Has(part));
            Assert.True(ScanSlice.Read("all").Has(part));
        }

        Assert.Contains(ScanSlice.Read(null), slices);
    }

    [Theory]
    [InlineData("8")]
    [InlineData("-1")]
    [InlineData("every")]
    public void A_slice_that_there_is_not_is_refused(string setting) =>
        Assert.Contains($"'{setting}'", Assert.Throws<ArgumentException>(() => ScanSlice.Read(setting)).Message, StringComparison.Ordinal);
}
