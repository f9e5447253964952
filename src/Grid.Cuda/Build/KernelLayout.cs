using System.Globalization;
using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.RegularExpressions;

namespace Grid.Cuda.Build;

/// <summary>
/// Says in a kernel's text where the launcher's structure has each of its fields, so that a text whose structure has a field
/// elsewhere does not compile: size alone would not show two fields of one size that changed places. Costs nothing at run time.
/// </summary>
/// <remarks>
/// Fields go by name: PageTableStride is page_table_stride in the text, or what <see cref="KernelFieldAttribute"/> says. Nobody
/// reads what is called Unused, so only the size of the whole counts there. A nested structure, a fixed buffer or an inline array is
/// one field of so many bytes.
/// </remarks>
internal static partial class KernelLayout
{
    /// <summary>static_assert lines for every structure that a text takes as the parameter of a kernel. XArguments is mirrored by
    /// XKernel.Arguments, or by an XArguments.</summary>
    /// <exception cref="KernelBuildException">A structure has no mirror.</exception>
    public static string OfParameters(string kernel, string text) => string.Concat(
        ParameterPattern().Matches(text).Select(match => match.Groups[1].Value).Distinct()
            .Select(structure => Assertions(structure, Mirror(kernel, structure))));

    /// <summary>static_assert lines for the size of a structure, and for place and size of each of its fields.</summary>
    /// <param name="structure">Its name in the text.</param>
    /// <param name="mirror">The launcher's.</param>
    public static string Assertions(string structure, Type mirror)
    {
        var lines = new StringBuilder();
        string name = mirror.IsNested ? $"{mirror.DeclaringType!.Name}.{mirror.Name}" : mirror.Name;
        Add($"sizeof({structure}) == {SizeOf(mirror)}", $"has {SizeOf(mirror)} bytes");
        foreach (var field in mirror.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic))
        {
            string own = NameOf(field);
            if (own.StartsWith("Unused", StringComparison.Ordinal))
            {
                continue;
            }

            // __INTADDR__ is what the compiler's own offsetof is made of; NVRTC comes without the header that defines it.
            string member = $"(({structure}*)0)->{field.GetCustomAttribute<KernelFieldAttribute>()?.Member ?? SnakeCase(own)}";
            Add(
                $"__INTADDR__(&({member})) == {OffsetOf(field)} && sizeof({member}) == {SizeOf(field.FieldType)}",
                $"has {own} at byte {OffsetOf(field)}, of {SizeOf(field.FieldType)} bytes");
        }

        return lines.ToString();

        void Add(string condition, string what) =>
            lines.Append(CultureInfo.InvariantCulture, $"static_assert({condition}, \"the launcher's {name} {what}\");\n");
    }

    /// <summary>The name of a field in a kernel's text.</summary>
    internal static string SnakeCase(string name)
    {
        var result = new StringBuilder();
        for (int i = 0; i < name.Length; i++)
        {
            bool begins = i > 0 && char.IsUpper(name[i])
                && (!char.IsUpper(name[i - 1]) || (i + 1 < name.Length && char.IsLower(name[i + 1])));
            result.Append(begins ? "_" : "").Append(char.ToLowerInvariant(name[i]));
        }

        return result.ToString();
    }

    private static Type Mirror(string kernel, string structure)
    {
        const string Suffix = "Arguments";
        string operation = structure.EndsWith(Suffix, StringComparison.Ordinal) ? structure[..^Suffix.Length] : structure;
        string nested = $"{operation}Kernel";
        return Array.Find(
                typeof(KernelLayout).Assembly.GetTypes(),
                type => type.IsValueType && (type.IsNested ? type.Name == Suffix && type.DeclaringType!.Name == nested : type.Name == structure))
            ?? throw new KernelBuildException(
                kernel, $"takes {structure}, and no launcher has a structure for it: {nested}.{Suffix} or {operation}{Suffix}");
    }

    private static string NameOf(FieldInfo field) =>
        field.Name.StartsWith('<') ? field.Name[1..field.Name.IndexOf('>', StringComparison.Ordinal)] : field.Name;

    // The runtime's own layout, which is what a launch copies. Marshal would tell that of another kind of call.
    private static int OffsetOf(FieldInfo field)
    {
        var method = new DynamicMethod("OffsetOf", typeof(int), [], typeof(KernelLayout).Module, skipVisibility: true);
        var code = method.GetILGenerator();
        var structure = code.DeclareLocal(field.DeclaringType!);
        code.Emit(OpCodes.Ldloca, structure);
        code.Emit(OpCodes.Ldflda, field);
        code.Emit(OpCodes.Ldloca, structure);
        code.Emit(OpCodes.Sub);
        code.Emit(OpCodes.Conv_I4);
        code.Emit(OpCodes.Ret);
        return method.CreateDelegate<Func<int>>()();
    }

    private static int SizeOf(Type type) =>
        (int)typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!.MakeGenericMethod(type).Invoke(null, null)!;

    [GeneratedRegex(@"__grid_constant__\s+(\w+)\s+\w+\s*\)")]
    private static partial Regex ParameterPattern();
}

/// <summary>Where a field lies in the structure of a kernel's text, when not by its own name: results.bias for a part of another.</summary>
[AttributeUsage(AttributeTargets.Field)]
internal sealed class KernelFieldAttribute(string member) : Attribute
{
    /// <summary>A member of the structure, or of a member of it.</summary>
    public string Member => member;
}
