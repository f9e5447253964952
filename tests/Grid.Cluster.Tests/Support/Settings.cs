using System.Globalization;

namespace Grid.Cluster.Tests.Support;

/// <summary>What the environment asks of tests that can run longer than they usually do.</summary>
internal static class Settings
{
    public static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
