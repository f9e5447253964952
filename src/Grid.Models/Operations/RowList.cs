namespace Grid.Models.Operations;

/// <summary>Which rows of an activation an operation reads, in the batch's own terms, so that a device has them at hand.</summary>
public readonly record struct RowList
{
    /// <summary>Every row of the step, in order.</summary>
    public static RowList All => default;

    /// <summary>False: every row of the step.</summary>
    public bool IsListed { get; private init; }

    /// <summary>Where it begins in the batch's logit rows; 0 when every row is meant.</summary>
    public int First { get; private init; }

    /// <summary>Rows listed; 0 when every row is meant.</summary>
    public int Count { get; private init; }

    /// <summary>Row i is <see cref="BatchLayout.LogitRows"/>[first + i]. Only outside a pass: the list changes from batch to batch.</summary>
    public static RowList Logits(int first, int count) => new() { IsListed = true, First = first, Count = count };
}
