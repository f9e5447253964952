namespace Grid.Cli.Verification;

/// <summary>Sees a verification while it runs. Nothing is called at the same time as another.</summary>
public interface IVerificationObserver
{
    /// <summary>All modes are known; some are skipped already.</summary>
    void Planned(VerificationReport report);

    /// <summary>A mode is further than it was, or has ended.</summary>
    void Moved(VerificationReport report, ModeResult mode);
}
