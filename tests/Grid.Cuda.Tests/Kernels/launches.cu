// What launches promise: the cluster asked for, order in a stream and in a graph, waiting of kernels that start early.
#include "launch.cuh"
#include "numerics.cuh"

struct ClusterArguments {
  u32* ranks;
};

// ranks[block] = number of blocks in the cluster * 256 + rank in it.
extern "C" __global__ void cluster_ranks(const __grid_constant__ ClusterArguments a) {
  u32 rank, size;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  asm volatile("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
  a.ranks[blockIdx.x] = size * 256 + rank;
}

struct StepArguments {
  u32* values;
  u32 count;
  u32 factor;
  u32 offset;
  u32 spin;
};

// values[i] = values[i] * factor + offset, after a while: a kernel that did not wait for the one before would read too early.
extern "C" __global__ void __launch_bounds__(256) linear_step(const __grid_constant__ StepArguments a) {
  let_next_kernel_start();
  u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  wait_for_previous_kernel();
  u32 value = i < a.count ? a.values[i] : 0;
  u64 start = clock64();
  while (clock64() - start < a.spin) {
  }
  if (i < a.count) a.values[i] = value * a.factor + a.offset;
}

// The same without waiting: what the test of the test launches.
extern "C" __global__ void __launch_bounds__(256) hasty_step(const __grid_constant__ StepArguments a) {
  let_next_kernel_start();
  u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  u32 value = i < a.count ? a.values[i] : 0;
  u64 start = clock64();
  while (clock64() - start < a.spin) {
  }
  if (i < a.count) a.values[i] = value * a.factor + a.offset;
}
