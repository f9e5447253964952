using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Grid.Tests;

/// <summary>Compiled into test projects that only compute (<c>IsComputation</c>): where <c>dotnet test Grid.sln</c> runs one of them
/// beside tests whose nodes notice that others are silent, those get the cores they ask for.</summary>
internal static class BelowNormalPriority
{
    [ModuleInitializer]
    internal static void Take()
    {
        using var process = Process.GetCurrentProcess();
        process.PriorityClass = ProcessPriorityClass.BelowNormal;
    }
}
