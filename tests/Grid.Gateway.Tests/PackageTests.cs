using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using System.Xml.Linq;

namespace Grid.Gateway.Tests;

/// <summary>What comes with the programs: licences that allow it, and nothing that they do not use.</summary>
public sealed class PackageTests
{
    /// <summary>Licences under which a program of MIT's may bring a package along.</summary>
    private static readonly string[] s_licences = ["MIT", "Apache-2.0", "BSD-3-Clause", "PostgreSQL"];

    /// <summary>Loaded by name: Orleans looks for it.</summary>
    private static readonly string[] s_byName = ["Orleans.Persistence.Memory"];

    [Theory]
    [InlineData("silo")]
    [InlineData("gateway")]
    [InlineData("src/Grid.Cli")]
    public void Every_package_has_a_licence_that_lets_it_come_along(string project)
    {
        var assets = JsonNode.Parse(File.ReadAllText(PathOf(project, "obj", "project.assets.json")))!;
        string[] folders = [.. assets["packageFolders"]!.AsObject().Select(folder => folder.Key)];
        var licences = assets["libraries"]!.AsObject().Where(library => (string)library.Value!["type"]! == "package").ToDictionary(
            library => library.Key,
            library =>
            {
                string description = library.Value!["files"]!.AsArray().Select(file => (string)file!).Single(file => file.EndsWith(".nuspec", StringComparison.Ordinal));
                string path = folders.Select(folder => Path.Combine(folder, (string)library.Value["path"]!, description)).First(File.Exists);
                return XDocument.Load(path).Descendants().FirstOrDefault(element => element.Name.LocalName == "license" && (string?)element.Attribute("type") == "expression")?.Value;
            });
        Assert.NotEmpty(licences);
        Assert.All(licences, library => Assert.Contains(library.Value, s_licences));
    }

    [Theory]
    [InlineData("silo", "Grid.Silo")]
    [InlineData("gateway", "Grid.Gateway")]
    public void Every_assembly_that_comes_along_is_referred_to(string project, string program)
    {
        string folder = PathOf(project, "bin", Path.GetFileName(Path.GetDirectoryName(AppContext.BaseDirectory.TrimEnd('/'))!), Path.GetFileName(AppContext.BaseDirectory.TrimEnd('/')));
        var there = Directory.GetFiles(folder, "*.dll").ToDictionary(file => Path.GetFileNameWithoutExtension(file)!);
        var reached = new HashSet<string>();
        var next = new Queue<string>([program, .. s_byName]);
        while (next.TryDequeue(out string? name))
        {
            if (there.TryGetValue(name, out string? file) && reached.Add(name))
            {
                using var image = new PEReader(File.OpenRead(file));
                var metadata = image.GetMetadataReader();
                foreach (var reference in metadata.AssemblyReferences)
                {
                    next.Enqueue(metadata.GetString(metadata.GetAssemblyReference(reference).Name));
                }
            }
        }
        Assert.Empty(there.Keys.Except(reached));
    }

    private static string PathOf(params string[] parts) => Path.Combine([Root(), .. parts]);

    private static string Root([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "..");
}
