using System.Linq.Expressions;
using System.Reflection;

namespace Grid.Models.Operations;

/// <summary>
/// The fields of the operands' records (<see cref="Epilogue"/>, <see cref="AttentionSpec"/>, …) that a device honours, by name.
/// A field that is set, that is not its type's default, and that the device does not name here is refused with its name: so a
/// field can be added to a record without touching a device, and no device ignores one.
/// </summary>
public sealed class KnownFields
{
    private readonly Dictionary<Type, object> _checks = [];

    /// <summary>Names the fields of one record that are honoured.</summary>
    /// <exception cref="ArgumentException">The record has no such field.</exception>
    public KnownFields Of<T>(params IReadOnlyCollection<string> names)
        where T : struct
    {
        _checks.Add(typeof(T), new FieldCheck<T>(names));
        return this;
    }

    /// <summary>The check of one record; of one that was never named nothing is known.</summary>
    internal FieldCheck<T> CheckOf<T>()
        where T : struct => (FieldCheck<T>?)_checks.GetValueOrDefault(typeof(T)) ?? new FieldCheck<T>([]);
}

/// <summary>Finds the fields of a record that are set and not known. Costs nothing where all are known; allocates only to refuse.</summary>
internal sealed class FieldCheck<T>
    where T : struct
{
    private readonly Field[] _unknown;

    public FieldCheck(IReadOnlyCollection<string> known)
    {
        // The record's storage, and not its properties: nothing that it can hold is left out.
        Field[] fields = [.. typeof(T)
            .GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .Select(field => new Field(NameOf(field), IsSet(field)))];
        foreach (string name in known)
        {
            if (!Array.Exists(fields, field => field.Name == name))
            {
                throw new ArgumentException($"{typeof(T).Name} has no field {name}.", nameof(known));
            }
        }

        _unknown = [.. fields.Where(field => !known.Contains(field.Name))];
    }

    private delegate bool Test(in T record);

    /// <summary>Refuses a record with a field that is set and not known.</summary>
    /// <exception cref="NotSupportedException">It has one; the message names it, with its value.</exception>
    public void Require(in T record, DeviceOperations device)
    {
        foreach (var field in _unknown)
        {
            if (field.IsSet(in record))
            {
                throw new NotSupportedException(
                    $"{typeof(T).Name}.{field.Name} is set, and {device.DeviceDescription} does not know it: {record}. What a device does not know it must not ignore.");
            }
        }
    }

    private static string NameOf(FieldInfo field) =>
        field.Name.StartsWith('<') ? field.Name[1..field.Name.IndexOf('>', StringComparison.Ordinal)] : field.Name;

    private static Test IsSet(FieldInfo field)
    {
        var record = Expression.Parameter(typeof(T).MakeByRefType());
        var comparer = typeof(EqualityComparer<>).MakeGenericType(field.FieldType);
        return Expression.Lambda<Test>(
            Expression.Not(Expression.Call(
                Expression.Property(null, comparer, nameof(EqualityComparer<>.Default)),
                comparer.GetMethod(nameof(EqualityComparer<>.Equals), [field.FieldType, field.FieldType])!,
                Expression.Field(record, field),
                Expression.Default(field.FieldType))),
            record).Compile();
    }

    private readonly record struct Field(string Name, Test IsSet);
}
