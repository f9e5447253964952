using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Grid.Grains.Tests.Support;

/// <summary>Records whose every property differs from what it is when nobody sets it.</summary>
internal static class Filled
{
    public static T Create<T>() => (T)Create(typeof(T), null);

    /// <summary>Compares all that is in them, lists by their items; by reflection, for a serializer may leave out what another has
    /// left out, too.</summary>
    public static void AssertEqual<T>(T expected, T actual) => Assert.Equal(Describe(expected, ""), Describe(actual, ""));

    private static string Describe(object? value, string place) => value switch
    {
        null => $"{place} = null\n",
        string or Guid or TimeSpan or Enum => $"{place} = {value}\n",
        float number => $"{place} = {BitConverter.SingleToInt32Bits(number)}\n",
        IEnumerable items => string.Concat(items.Cast<object>().Select((item, i) => Describe(item, $"{place}[{i}]"))),
        _ when value.GetType().IsPrimitive => $"{place} = {value}\n",
        _ => string.Concat(Settable(value.GetType()).Select(property => Describe(property.GetValue(value), $"{place}.{property.Name}"))),
    };

    private static IEnumerable<PropertyInfo> Settable(Type type) => type.GetProperties().Where(property => property.SetMethod is not null);

    /// <param name="type">Of the value.</param>
    /// <param name="unset">The value to differ from.</param>
    private static object Create(Type type, object? unset)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type == typeof(bool))
        {
            return !(unset as bool? ?? false);
        }

        if (type == typeof(string))
        {
            return "set";
        }

        if (type == typeof(Guid))
        {
            return new Guid("00112233-4455-6677-8899-aabbccddeeff");
        }

        if (type == typeof(TimeSpan))
        {
            return TimeSpan.FromMilliseconds(1500);
        }

        if (type.IsEnum)
        {
            return Enum.GetValues(type).Cast<object>().Last();
        }

        if (type.IsPrimitive)
        {
            return type == typeof(float) ? 0.3f : Convert.ChangeType(7, type, null);
        }

        if (type.IsAssignableTo(typeof(IEnumerable)))
        {
            var item = type.GetElementType() ?? type.GetGenericArguments()[0];
            var items = Array.CreateInstance(item, 1);
            items.SetValue(Create(item, null), 0);
            return items;
        }

        return CreateRecord(type);
    }

    private static object CreateRecord(Type type)
    {
        object made = RuntimeHelpers.GetUninitializedObject(type);
        object plain = type.GetConstructor([]) is { } constructor ? constructor.Invoke([]) : made;
        foreach (var property in Settable(type))
        {
            object? unset = property.GetValue(plain);
            object value = Create(property.PropertyType, unset);
            Assert.NotEqual(unset, value);
            property.SetValue(made, value);
        }

        return made;
    }
}
