// Copies by the copy engine between global and shared memory: boxes of a two-dimensional tensor, and contiguous bytes for several
// blocks of a cluster at once. A box of 64 bf16 x rows arrives as rows of 128 bytes with their eight pieces swizzled by the row's
// number modulo 8, as operand_swizzled reads it (ptx.cuh).
#pragma once

#include "numerics.cuh"

// The driver's CUtensorMap; made on the host, passed by value as a part of a __grid_constant__ parameter.
struct alignas(64) TensorMap {
  u64 opaque[16];
};

__device__ __forceinline__ void prefetch_map(const TensorMap* map) { asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory"); }

// How long L2 should keep what is read once, and what others will read too.
__device__ __forceinline__ u64 policy_evict_first() {
  u64 policy;
  asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}

__device__ __forceinline__ u64 policy_evict_normal() {
  u64 policy;
  asm volatile("createpolicy.fractional.L2::evict_normal.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}

// Contiguous bytes to shared memory; completes on the barrier. Addresses and size are multiples of 16.
__device__ __forceinline__ void bulk_load_kept(u32 destination, const void* source, u32 bytes, u32 barrier, u64 policy) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1], %2, [%3], %4;" ::"r"(
                   destination),
               "l"(source), "r"(bytes), "r"(barrier), "l"(policy)
               : "memory");
}

// The same to every block of the cluster whose bit is set, at the same offsets of destination and barrier.
__device__ __forceinline__ void bulk_load_shared(u32 destination, const void* source, u32 bytes, u32 barrier, u16 blocks, u64 policy) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster.L2::cache_hint [%0], [%1], %2, [%3], %4, "
      "%5;" ::"r"(destination),
      "l"(source), "r"(bytes), "r"(barrier), "h"(blocks), "l"(policy)
      : "memory");
}

// The box that begins at (column, row) of the tensor; what lies outside the tensor arrives as zeros.
__device__ __forceinline__ void box_load(u32 destination, const TensorMap* map, u32 column, u32 row, u32 barrier) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(
                   destination),
               "l"(map), "r"(column), "r"(row), "r"(barrier)
               : "memory");
}

__device__ __forceinline__ void box_load_shared(u32 destination, const TensorMap* map, u32 column, u32 row, u32 barrier, u16 blocks) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%2, %3}], "
      "[%4], %5;" ::"r"(destination),
      "l"(map), "r"(column), "r"(row), "r"(barrier), "h"(blocks)
      : "memory");
}

// A box from shared memory to the tensor; what lies outside it is not written.
__device__ __forceinline__ void box_store(const TensorMap* map, u32 column, u32 row, u32 source) {
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%1, %2}], [%3];" ::"l"(map), "r"(column), "r"(row),
               "r"(source)
               : "memory");
}

__device__ __forceinline__ void box_store_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }

// Waits until shared memory was read by all of this thread's stores.
__device__ __forceinline__ void box_store_wait_read() { asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory"); }

// Waits until all of this thread's stores are in global memory.
__device__ __forceinline__ void box_store_wait() { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }

// Four matrices of 8 x 8 16-bit elements between registers and rows of 16 bytes: lane l gives the address of row l % 8 of matrix
// l / 8, and holds of each matrix the elements 2 (l % 4) and the next of row l / 4, as a wgmma's accumulators lie.
__device__ __forceinline__ void matrices_store(u32 row, u32 m0, u32 m1, u32 m2, u32 m3) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(row), "r"(m0), "r"(m1), "r"(m2), "r"(m3)
               : "memory");
}

__device__ __forceinline__ void matrices_load(u32 row, u32 (&m)[4]) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
               : "r"(row)
               : "memory");
}
