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

#ifdef SERIALISED
// The accumulator is touched between two wgmma that are in flight.
__device__ __forceinline__ void product(float (&d)[4], u64 a, u64 b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0, %1, %2, %3}, %4, %5, 1, 1, 1, 0, 0;\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "l"(a), "l"(b));
}

extern "C" __global__ void __launch_bounds__(128) refused(const __grid_constant__ RefusedArguments a) {
  float d[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
  for (u32 i = 0; i < a.count; i++) {
    product(d, i, i + 1);
    d[0] = __fmul_rn(d[0], 0.5f);
    product(d, i + 2, i + 3);
  }
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
  asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
  a.values[threadIdx.x] = d[0] + d[1] + d[2] + d[3];
}
#endif

#ifdef BROKEN
extern "C" __global__ void refused(const __grid_constant__ RefusedArguments a) { a.values[0] = no_such_name; }
#endif

#ifdef FINE
extern "C" __global__ void refused(const __grid_constant__ RefusedArguments a) { a.values[threadIdx.x] = (float)a.count; }
extern "C" __global__ void two_parameters(const __grid_constant__ RefusedArguments a, u32 b) { a.values[0] = (float)b; }
#endif
