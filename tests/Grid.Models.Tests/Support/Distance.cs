namespace Grid.Models.Tests.Support;

/// <summary>How far values lie from a reference.</summary>
public static class Distance
{
    /// <summary>|values - reference| / |reference|, Euclidean.</summary>
    public static double RelativeL2(IEnumerable<float> values, IEnumerable<double> reference)
    {
        double difference = 0;
        double norm = 0;
        foreach ((float value, double expected) in values.Zip(reference))
        {
            difference += (value - expected) * (value - expected);
            norm += expected * expected;
        }

        return Math.Sqrt(difference / norm);
    }

    /// <summary>The largest |value - reference|.</summary>
    public static double MaxAbsolute(IEnumerable<float> values, IEnumerable<double> reference) =>
        values.Zip(reference, (value, expected) => Math.Abs(value - expected)).Max();
}
