// The contract's functions over a range of bit patterns: results[i] = bits of f(x), x = the fp32 with bits first + i * stride.
#include "numerics.cuh"

struct ScanArguments {
  u32* results;
  u32 first;
  u32 stride;
  u32 count;
  u32 function;
};

extern "C" __global__ void __launch_bounds__(256) function_scan(const __grid_constant__ ScanArguments a) {
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < a.count; i += gridDim.x * blockDim.x) {
    float x = float_of(a.first + i * a.stride);
    u32 y = 0;
    switch (a.function) {
      case 0: y = bits_of(grid_exp2(x)); break;
      case 1: y = bits_of(grid_log2(x)); break;
      case 2: y = bits_of(grid_silu(x)); break;
      case 3: y = float_to_bf16(x); break;
      case 4: y = grid_exp2_bf16(x); break;
      case 5: y = floats_to_bf16x2(x, 1.0f) & 0xFFFFu; break;
      case 6: y = bits_of(__fsqrt_rn(x)); break;
      case 7: y = bits_of(__fdiv_rn(1.0f, x)); break;
    }
    a.results[i] = y;
  }
}

struct DrawArguments {
  u64* results;
  u64 seed;
  u64 first;
  u32 stream;
  u32 count;
};

extern "C" __global__ void __launch_bounds__(256) philox_scan(const __grid_constant__ DrawArguments a) {
  u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < a.count) a.results[i] = philox_draw(a.seed * (i + 1), a.first + i, a.stream);
}
