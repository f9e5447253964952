using Grid.Cli.Servers;
using Grid.Options;

namespace Grid.Cli.Audit;

/// <summary>What "grid audit" can be told.</summary>
internal sealed class AuditOptions
{
    [Operands("Files of receipts: one, a list, or one on each line; '-' is standard input", "RECEIPT")]
    public string[] Receipts { get; set; } = [];

    [Options]
    public ConnectionOptions Server { get; } = new();

    [TextOption("The worker that computes; /v1/grid lists them", "id", Default = "any")]
    public string? Worker { get; set; }

    [NumberOption("Receipts that are computed at once", 1, 1024)]
    public int Concurrency { get; set; } = 16;

    [TextOption("Only receipts that this key signed hold: the SHA-256 of the public key, in hexadecimal", "digest", Default = "signed by anybody, or nobody")]
    public string? SignedBy { get; set; }

    [TextOption("Writes what was found of each receipt there", "file")]
    public string? Json { get; set; }
}

/// <summary>What "grid replay" can be told.</summary>
internal sealed class ReplayOptions
{
    [Operands("The answer's X-Sequence-Id", "ID")]
    public string[] Ids { get; set; } = [];

    [Options]
    public ConnectionOptions Server { get; } = new();

    [NumberOption("Which of the answer's choices", 0, 1_000_000)]
    public int Index { get; set; }

    [TextOption("The worker that computes; /v1/grid lists them", "id", Default = "any")]
    public string? Worker { get; set; }
}
