// Kernels that must not be built, one per definition.
#include "numerics.cuh"

struct RefusedArguments {
  float* values;
  u32 count;
  u32 unused;
};

#ifdef SPILLS
// 96 live values in 32 registers.
extern "C" __global__ void __launch_bounds__(1024, 2) refused(const __grid_constant__ RefusedArguments a) {
  float v[96];
#pragma unroll
  for (u32 i = 0; i < 96; i++) v[i] = a.values[threadIdx.x + i * 1024];
  for (u32 round = 0; round < a.count; round++) {
#pragma unroll
    for (u32 i = 0; i < 96; i++) v[i] = __fmaf_rn(v[i], v[(i * 7 + 1) % 96], v[(i * 5 + 3) % 96]);
  }
#pragma unroll
  for (u32 i = 0; i < 96; i++) a.values[threadIdx.x + i * 1024] = v[i];
}
#endif

#ifdef INDEXED
// An array in local memory, because its index is not known when it is compiled.
extern "C" __global__ void refused(const __grid_constant__ RefusedArguments a) {
  float v[64];
  for (u32 i = 0; i < 64; i++) v[i] = a.values[i];
  for (u32 i = 0; i < a.count; i++) v[(i * 13 + a.unused) & 63] += a.values[i];
  a.values[threadIdx.x] = v[a.count & 63] + v[threadIdx.x & 63];
}
#endif

__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmma_commit_and_wait() {
  asm volatile("wgmma.commit_group.sync.aligned;\n wgmma.wait_group.sync.aligned 0;" ::: "memory");
}

__device__ __forceinline__ void wgmma_n8(float (&d)[4], u64 a, u64 b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0, %1, %2, %3}, %4, %5, 1, 1, 1, 0, 0;"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "l"(a), "l"(b));
}

#ifdef HASTY
// The accumulator is touched while its wgmma is in flight.
extern "C" __global__ void __launch_bounds__(128) refused(const __grid_constant__ RefusedArguments a) {
  float d[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  wgmma_fence();
  for (u32 i = 0; i < a.count; i++) {
    wgmma_n8(d, i, i + 1);
    d[0] = __fmul_rn(d[0], 0.5f);
    wgmma_n8(d, i + 2, i + 3);
  }
  wgmma_commit_and_wait();
  a.values[threadIdx.x] = d[0] + d[1] + d[2] + d[3];
}
#endif

#ifdef CALLS
// A function is called while a wgmma is in flight.
__device__ __noinline__ u32 outside(u32 x) { return x * x ^ clock(); }

extern "C" __global__ void __launch_bounds__(128) refused(const __grid_constant__ RefusedArguments a) {
  float d[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  u32 x = threadIdx.x;
  wgmma_fence();
  for (u32 i = 0; i < a.count; i++) {
    wgmma_n8(d, i, i + 1);
    x = outside(x);
    wgmma_n8(d, i + 2, i + 3);
  }
  wgmma_commit_and_wait();
  a.values[threadIdx.x] = d[0] + d[1] + d[2] + d[3] + (float)x;
}
#endif

#ifdef CROWDED
// Three accumulators of 32 registers in flight in blocks of 1024 threads, which have 64 registers each.
__device__ __forceinline__ void wgmma_n64(float (&d)[32], u64 a, u64 b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, %32, %33, 1, 1, 1, 0, 0;"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]),
        "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
        "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]),
        "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
        "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]),
        "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
        "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]),
        "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31])
      : "l"(a), "l"(b));
}

extern "C" __global__ void __launch_bounds__(1024, 1) refused(const __grid_constant__ RefusedArguments a) {
  float d[3][32];
#pragma unroll
  for (u32 i = 0; i < 96; i++) d[i / 32][i % 32] = 0.0f;
  wgmma_fence();
  for (u32 i = 0; i < a.count; i++) {
#pragma unroll
    for (u32 k = 0; k < 3; k++) wgmma_n64(d[k], i, i + k);
  }
  wgmma_commit_and_wait();
#pragma unroll
  for (u32 i = 0; i < 96; i++) a.values[threadIdx.x + i * 1024] = d[i / 32][i % 32];
}
#endif

#ifdef BROKEN
extern "C" __global__ void refused(const __grid_constant__ RefusedArguments a) { a.values[0] = no_such_name; }
#endif

#ifdef FINE
extern "C" __global__ void refused(const __grid_constant__ RefusedArguments a) { a.values[threadIdx.x] = (float)a.count; }
extern "C" __global__ void two_parameters(const __grid_constant__ RefusedArguments a, u32 b) { a.values[0] = (float)b; }
#endif
