// Inline PTX by role: shared memory and barriers, bulk copies, warpgroup synchronisation, conversions.
#pragma once

#include "numerics.cuh"

__device__ __forceinline__ u32 shared_address(const void* p) {
  return (u32)__cvta_generic_to_shared(p);
}

// ---- mbarrier: completes a phase when all arrivals and all announced bytes are in ------------------------------------

__device__ __forceinline__ void barrier_init(u32 barrier, u32 arrivals) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}

// Makes initialised barriers visible to the copy engine; before the __syncthreads that publishes them.
__device__ __forceinline__ void barrier_init_fence() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ __forceinline__ void barrier_arrive(u32 barrier) {
  asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(barrier) : "memory");
}

__device__ __forceinline__ void barrier_arrive_expect(u32 barrier, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}

// Waits until the phase with this parity (0, 1, 0, ...) is complete.
__device__ __forceinline__ void barrier_wait(u32 barrier, u32 parity) {
  asm volatile(
    "{ .reg .pred done; WAIT: mbarrier.try_wait.parity.shared.b64 done, [%0], %1; @done bra DONE; bra WAIT; DONE: }" ::"r"(barrier),
    "r"(parity)
    : "memory");
}

// Named barrier of some warps of the block; 0 is __syncthreads.
__device__ __forceinline__ void warps_sync(u32 name, u32 threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(name), "r"(threads) : "memory");
}

// Arrives at a named barrier without waiting.
__device__ __forceinline__ void warps_arrive(u32 name, u32 threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(name), "r"(threads) : "memory");
}

// ---- copies ----------------------------------------------------------------------------------------------------------

// Contiguous bytes from global to shared memory; completes on the barrier. Addresses and size are multiples of 16.
__device__ __forceinline__ void bulk_load(u32 destination, const void* source, u32 bytes, u32 barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(destination), "l"(source),
      "r"(bytes), "r"(barrier)
      : "memory");
}

// 16 bytes from global to shared memory, or 16 zeros; done when this thread's copy_wait says so. An ordinary store to others.
__device__ __forceinline__ void copy_16(u32 destination, const void* source, bool zeros) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(destination), "l"(source), "r"(zeros ? 0 : 16) : "memory");
}

__device__ __forceinline__ void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most Pending of this thread's groups are under way.
template <i32 Pending>
__device__ __forceinline__ void copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

// Ordinary stores to shared memory become visible to tensor cores and copy engine; by each writer, before the barrier.
__device__ __forceinline__ void fence_async_proxy() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// ---- warpgroup matrix operations -------------------------------------------------------------------------------------

// Operand without swizzle: 8 x 8 core matrices of 128 contiguous bytes; along_k and along_mn are the byte distances
// between neighbouring ones in the two directions.
__device__ __forceinline__ u64 operand(u32 address, u32 along_k, u32 along_mn) {
  return (u64)((address & 0x3FFFF) >> 4) | ((u64)(along_k >> 4) << 16) | ((u64)(along_mn >> 4) << 32);
}

// Operand of rows of 128 bytes (64 k), swizzled as below: eight rows are 1024 bytes and start at a multiple of that. The next 16
// k begin 32 bytes further.
__device__ __forceinline__ u64 operand_swizzled(u32 address) {
  return (u64)((address & 0x3FFFF) >> 4) | ((u64)1 << 16) | ((u64)(1024 >> 4) << 32) | ((u64)1 << 62);
}

// Where 16 bytes of such a row lie, from the first row's start.
__device__ __forceinline__ u32 swizzled(u32 row, u32 piece) { return row * 128 + (piece ^ row % 8) * 16; }

__device__ __forceinline__ void wgmma_fence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ __forceinline__ void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

template <i32 Pending>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
}

template <i32 Registers>
__device__ __forceinline__ void registers_grow() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Registers));
}

template <i32 Registers>
__device__ __forceinline__ void registers_shrink() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Registers));
}
