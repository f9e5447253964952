using System.Globalization;

namespace Grid.Gateway.Json;

/// <summary>A range of numbers a field may hold; both ends included unless <see cref="AboveMin"/>.</summary>
internal readonly record struct NumberRange(float Min, float Max, bool AboveMin = false)
{
    public bool Contains(double value) => (AboveMin ? value > Min : value >= Min) && value <= Max;

    public override string ToString()
    {
        string min = Min.ToString(CultureInfo.InvariantCulture);
        string max = Max.ToString(CultureInfo.InvariantCulture);
        return AboveMin ? $"a number above {min} and at most {max}" : $"a number from {min} to {max}";
    }
}
