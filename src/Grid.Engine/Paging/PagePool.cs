using System.Runtime.InteropServices;

namespace Grid.Engine.Paging;

/// <summary>
/// The free pages. A page that was used before is noted for clearing when it is taken again: a stale finite value would
/// be masked to an exact zero, but a stale NaN would not (0 * NaN is NaN), and one sequence's overflow must not reach
/// another sequence.
/// </summary>
internal sealed class PagePool
{
    private readonly int[] _free;
    private readonly bool[] _used;
    private readonly List<int> _toClear;
    private int _freeCount;

    public PagePool(int pages)
    {
        _free = new int[pages];
        _used = new bool[pages];
        _toClear = new List<int>(pages);
        // Descending, so that pages are first taken in ascending order.
        for (int i = 0; i < pages; i++)
        {
            _free[i] = pages - 1 - i;
        }

        _freeCount = pages;
    }

    public int TotalPages => _free.Length;

    public int FreePages => _freeCount;

    /// <summary>The free pages themselves, for the audit.</summary>
    public ReadOnlySpan<int> Free => _free.AsSpan(0, _freeCount);

    /// <summary>Pages taken since <see cref="MarkCleared"/> that hold old values.</summary>
    public ReadOnlySpan<int> PagesToClear => CollectionsMarshal.AsSpan(_toClear);

    public bool TryTake(out PageId page)
    {
        if (_freeCount == 0)
        {
            page = default;
            return false;
        }

        int id = _free[--_freeCount];
        if (_used[id])
        {
            _toClear.Add(id);
        }

        _used[id] = true;
        page = new PageId(id);
        return true;
    }

    public void Return(PageId page) => _free[_freeCount++] = page.Value;

    /// <summary>The pages to clear have been cleared.</summary>
    public void MarkCleared() => _toClear.Clear();
}
