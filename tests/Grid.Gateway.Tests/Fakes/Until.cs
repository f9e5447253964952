namespace Grid.Gateway.Tests.Fakes;

/// <summary>Waits for what nothing tells of when it comes to hold.</summary>
internal static class Until
{
    /// <summary>Longest wait for anything; only a failure reaches it.</summary>
    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(60);

    public static Task HoldsAsync(Func<bool> holds, string otherwise) => HoldsAsync(() => Task.FromResult(holds()), otherwise);

    public static async Task HoldsAsync(Func<Task<bool>> holds, string otherwise)
    {
        var token = TestContext.Current.CancellationToken;
        using var patience = new CancellationTokenSource(Patience);
        while (!await holds())
        {
            Assert.False(patience.IsCancellationRequested, otherwise);
            await Task.Delay(5, token);
        }
    }
}
