using Grid.Options;

namespace Grid.Cli.Reports;

/// <summary>A file that a run leaves.</summary>
internal static class ReportFile
{
    /// <summary>Refuses a place that cannot be written before an hour was spent on what goes there. Throws <see cref="StartException"/>.</summary>
    public static void RequireWritable(string option, string? path)
    {
        if (path is null)
        {
            return;
        }

        try
        {
            bool isNew = !File.Exists(path);
            using (File.Open(path, FileMode.OpenOrCreate, FileAccess.Write))
            {
            }

            if (isNew)
            {
                File.Delete(path);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new StartException($"{option} is '{path}', which cannot be written: {exception.Message}", StartException.Usage);
        }
    }

    /// <summary>Writes it, where a path was given. Throws <see cref="StartException"/>.</summary>
    public static async Task WriteAsync(string? path, Func<string> make)
    {
        if (path is null)
        {
            return;
        }

        try
        {
            await File.WriteAllTextAsync(path, make());
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StartException($"'{path}' cannot be written: {exception.Message}", StartException.Usage);
        }
    }
}
