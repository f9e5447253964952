namespace Grid.Models.Operations;

/// <summary>
/// What one forward pass computes: rows (tokens) of several sequences, each at its absolute position. Filled by the
/// scheduler, read by the operations; reused from step to step.
/// </summary>
public sealed class BatchLayout(int maxRows, int maxSequences)
{
    /// <summary>Rows in use.</summary>
    public int RowCount { get; set; }

    /// <summary>[RowCount] input token ids; on a device that runs ahead, ~i (below 0) is the token that row i of the last
    /// <see cref="IOperations.BeginSample"/> draws.</summary>
    public int[] TokenIds { get; } = new int[maxRows];

    /// <summary>[RowCount] absolute positions.</summary>
    public int[] Positions { get; } = new int[maxRows];

    /// <summary>Sequences in use.</summary>
    public int SequenceCount { get; set; }

    /// <summary>[SequenceCount] slices; together they cover the rows in order.</summary>
    public SequenceSlice[] Sequences { get; } = new SequenceSlice[maxSequences];

    /// <summary>Rows that need logits.</summary>
    public int LogitRowCount { get; set; }

    /// <summary>[LogitRowCount] row numbers, ascending; logits row i belongs to row LogitRows[i].</summary>
    public int[] LogitRows { get; } = new int[maxRows];
}

/// <summary>
/// The consecutive rows of one sequence: positions ascend by one from Positions[FirstRow]. Keys of all earlier
/// positions are in the pages already; the pass writes the keys and values of its own rows.
/// </summary>
/// <param name="FirstRow">First row in the batch.</param>
/// <param name="RowCount">Number of rows (1 in decode, a chunk in prefill).</param>
/// <param name="PageTable">PageTable[i] is the page of positions i*BlockTokens .. i*BlockTokens+BlockTokens-1; long
/// enough for the last row.</param>
public readonly record struct SequenceSlice(int FirstRow, int RowCount, int[] PageTable);
