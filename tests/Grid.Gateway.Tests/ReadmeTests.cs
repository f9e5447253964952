using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Grid.Gateway.Tests;

/// <summary>The READMEs' code is code.</summary>
public sealed partial class ReadmeTests
{
    private const string ImplicitUsings =
        "global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq; global using System.Threading; global using System.Threading.Tasks;";

    /// <summary>A snippet that begins with using directives is a whole program.</summary>
    [Fact]
    public void Every_whole_program_in_a_README_compiles()
    {
        var token = TestContext.Current.CancellationToken;
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(':').Select(path => MetadataReference.CreateFromFile(path)).ToArray();
        var programs = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Readmes"), "*.md", SearchOption.AllDirectories)
            .SelectMany(file => Snippet().Matches(File.ReadAllText(file)).Select(match => (File: file, Code: match.Groups[1].Value)))
            .Where(snippet => snippet.Code.StartsWith("using ", StringComparison.Ordinal)).ToArray();
        Assert.Contains(programs, program => program.File.EndsWith("src/Grid.Client/README.md", StringComparison.Ordinal));
        Assert.Contains(programs, program => program.File.EndsWith("Readmes/README.md", StringComparison.Ordinal));
        Assert.All(programs, program =>
        {
            var compilation = CSharpCompilation.Create(
                "snippet", new[] { ImplicitUsings, program.Code }.Select(code => CSharpSyntaxTree.ParseText(code, cancellationToken: token)), references,
                new CSharpCompilationOptions(OutputKind.ConsoleApplication));
            var errors = compilation.GetDiagnostics(token).Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error);
            Assert.True(!errors.Any(), $"{program.File}: {string.Join('\n', errors)}\n{program.Code}");
        });
    }

    [GeneratedRegex("^```csharp\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Snippet();
}
