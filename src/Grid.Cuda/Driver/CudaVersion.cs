namespace Grid.Cuda.Driver;

/// <summary>A version of CUDA, such as 13.0.</summary>
internal readonly record struct CudaVersion(int Major, int Minor) : IComparable<CudaVersion>
{
    /// <summary>From the driver's number, 13000 for 13.0.</summary>
    public static CudaVersion FromNumber(int number) => new(number / 1000, number % 1000 / 10);

    public int CompareTo(CudaVersion other) => (Major, Minor).CompareTo((other.Major, other.Minor));

    public static bool operator <(CudaVersion a, CudaVersion b) => a.CompareTo(b) < 0;

    public static bool operator >(CudaVersion a, CudaVersion b) => a.CompareTo(b) > 0;

    public static bool operator <=(CudaVersion a, CudaVersion b) => a.CompareTo(b) <= 0;

    public static bool operator >=(CudaVersion a, CudaVersion b) => a.CompareTo(b) >= 0;

    public override string ToString() => FormattableString.Invariant($"{Major}.{Minor}");
}
