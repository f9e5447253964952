namespace Grid.Engine.Paging;

/// <summary>A KV page: the same slot in every layer of the cache.</summary>
internal readonly record struct PageId(int Value);
