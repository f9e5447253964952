// Thread block clusters: blocks that run at once and reach each other's shared memory.
#pragma once

#include "numerics.cuh"

// The place of this block in its cluster.
__device__ __forceinline__ u32 cluster_rank() {
  u32 rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

// Says that this thread got here; what it wrote before can be seen by those that wait.
__device__ __forceinline__ void cluster_arrive() { asm volatile("barrier.cluster.arrive.release;" ::: "memory"); }

// Waits for every thread of the cluster to have arrived or ended.
__device__ __forceinline__ void cluster_wait() { asm volatile("barrier.cluster.wait.acquire;" ::: "memory"); }

// Both.
__device__ __forceinline__ void cluster_sync() {
  cluster_arrive();
  cluster_wait();
}

// Says that this thread got here, and nothing of what it wrote: for barriers whose initialisation has a fence of its own. A release
// costs a memory barrier first. Whole warps.
__device__ __forceinline__ void cluster_arrive_relaxed() { asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory"); }

// The same place in another block's shared memory. That block must have started (all blocks arrived somewhere) and not ended.
template <typename T>
__device__ __forceinline__ T* in_block(T* mine, u32 rank) {
  u64 theirs;
  asm("mapa.u64 %0, %1, %2;" : "=l"(theirs) : "l"((u64)mine), "r"(rank));
  return (T*)theirs;
}

// The same for an address of the shared window, for barrier_arrive_remote.
__device__ __forceinline__ u32 address_in_block(u32 mine, u32 rank) {
  u32 theirs;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(theirs) : "r"(mine), "r"(rank));
  return theirs;
}

// Arrives at another block's barrier. Without a scope: at .release.cluster the compiler puts a memory barrier before it (0.75 us,
// measured), and this says only that reads by the tensor cores are over, not that something was written.
__device__ __forceinline__ void barrier_arrive_remote(u32 barrier_there) {
  asm volatile("mbarrier.arrive.shared::cluster.b64 _, [%0];" ::"r"(barrier_there) : "memory");
}
