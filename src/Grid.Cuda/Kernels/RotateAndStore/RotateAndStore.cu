// Head norm and rotation of q and k; q stays in place, k and v go into the layer's pages.
//
//   x = head, or with a norm (head * inverse) * w, inverse = 1 / sqrt(sum(head^2) / d + epsilon), in fp32 and not rounded;
//   first' = bf16(fma(first, cos, -(second * sin)));  second' = bf16(fma(second, cos, first * sin)), element i paired with i + d/2
//
// Shapes:  qkv [rows][q heads | k heads | v heads][d] bf16; norms [d] bf16 or none; cos, sin [positions, d/2] fp32; positions and
//          slots [rows] 32-bit integers. Slot s is token s % 64 of page s / 64, below 0 a row that pads the batch: it is left as
//          it is and stored nowhere. A page is [KV head][key image, value image], an image [token / 8][d / 8][8 tokens][8 d]
//          bf16 of 64 tokens, as attention reads it. No two rows have one slot. k and v stay in qkv as they were.
// Threads: a warp takes one head of 32 / row_threads rows at a time; thread t of a row holds elements 8t .. 8t + 7 and those d/2
//          further, so that a pair is at hand. x: groups of rows; y and the block's warps: heads. Neighbouring tokens' stores meet
//          in a page image.
// Order:   the sum of squares: the contract's tree over d (row_reduction.cuh). Everything else is per element.
// May vary: grid, rows per warp, who shares a warp. Definition: HEAD_DIM, a multiple of 16 up to 256.
#include "launch.cuh"
#include "numerics.cuh"
#include "row_reduction.cuh"

struct RotateAndStoreArguments {
  u16* qkv;
  const u16* query_norm;
  const u16* key_norm;
  const float* cos;
  const float* sin;
  const i32* positions;
  const i32* slots;
  u16* pages;
  u32 rows;
  u32 query_heads;
  u32 kv_heads;
  float epsilon;
};

constexpr u32 Warps = 8;
constexpr u32 Half = HEAD_DIM / 2;
constexpr u32 PageTokens = 64;
constexpr u32 ImageElements = PageTokens * HEAD_DIM;

struct Eight {
  float of[8];
};

__device__ __forceinline__ Eight widened(const Bf16x8& x) {
  Eight y;
#pragma unroll
  for (u32 i = 0; i < 4; i++) {
    y.of[2 * i] = bf16x2_first(x.pair[i]);
    y.of[2 * i + 1] = bf16x2_second(x.pair[i]);
  }
  return y;
}

__device__ __forceinline__ Bf16x8 rounded(const Eight& x) {
  Bf16x8 y;
#pragma unroll
  for (u32 i = 0; i < 4; i++) y.pair[i] = floats_to_bf16x2(x.of[2 * i], x.of[2 * i + 1]);
  return y;
}

__device__ __forceinline__ Eight eight_floats(const float* from) {
  float4 a = *(const float4*)from, b = *(const float4*)(from + 4);
  return Eight{{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
}

__device__ __forceinline__ float squares(const Eight& x) {
  float sum = 0.0f;
#pragma unroll
  for (u32 i = 0; i < 8; i++) sum = row_add_square(sum, x.of[i]);
  return sum;
}

__device__ __forceinline__ void scale(Eight& x, float inverse, const Bf16x8& weight) {
  Eight w = widened(weight);
#pragma unroll
  for (u32 i = 0; i < 8; i++) x.of[i] = __fmul_rn(__fmul_rn(x.of[i], inverse), w.of[i]);
}

// The head's norm; for the whole warp.
__device__ __forceinline__ void normalize(Eight& first, Eight& second, const u16* norm, float epsilon, bool present) {
  Bf16x8 w0{}, w1{};
  if (present) {
    w0 = *(const Bf16x8*)norm;
    w1 = *(const Bf16x8*)(norm + Half);
  }
  float sum = row_combine_short<HEAD_DIM>(squares(first), squares(second));
  float mean = __fdiv_rn(sum, (float)HEAD_DIM);
  float inverse = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(mean, epsilon)));
  scale(first, inverse, w0);
  scale(second, inverse, w1);
}

__device__ __forceinline__ void rotate(Eight& first, Eight& second, const Eight& cos, const Eight& sin) {
#pragma unroll
  for (u32 i = 0; i < 8; i++) {
    float x = first.of[i], y = second.of[i];
    first.of[i] = __fmaf_rn(x, cos.of[i], -__fmul_rn(y, sin.of[i]));
    second.of[i] = __fmaf_rn(y, cos.of[i], __fmul_rn(x, sin.of[i]));
  }
}

extern "C" __global__ void __launch_bounds__(Warps * 32) rotate_and_store(const __grid_constant__ RotateAndStoreArguments a) {
  constexpr u32 RowThreads = row_threads<HEAD_DIM>();
  wait_for_previous_kernel();
  let_next_kernel_start();
  u32 row = blockIdx.x * (32 / RowThreads) + threadIdx.x % 32 / RowThreads, element = threadIdx.x % RowThreads * 8;
  i32 slot = row < a.rows ? a.slots[row] : -1;
  bool present = slot >= 0 && element < Half;
  Eight cos{}, sin{};
  if (present) {
    u64 angle = (u64)a.positions[row] * Half + element;
    cos = eight_floats(a.cos + angle);
    sin = eight_floats(a.sin + angle);
  }

  u32 heads = a.query_heads + 2 * a.kv_heads;
  u64 page = (u64)(slot / (i32)PageTokens) * a.kv_heads * 2 * ImageElements;
  u32 in_image = slot % PageTokens / 8 * (HEAD_DIM * 8) + element * 8 + slot % 8 * 8;
  for (u32 head = blockIdx.y * Warps + threadIdx.x / 32; head < heads; head += gridDim.y * Warps) {
    u16* start = a.qkv + ((u64)row * heads + head) * HEAD_DIM + element;
    Bf16x8 low{}, high{};
    if (present) {
      low = *(const Bf16x8*)start;
      high = *(const Bf16x8*)(start + Half);
    }

    bool query = head < a.query_heads;
    u32 stored = head - a.query_heads; // of keys and values, head by head
    bool value = !query && stored >= a.kv_heads;
    if (!value) {
      Eight first = widened(low), second = widened(high);
      const u16* norm = query ? a.query_norm : a.key_norm;
      if (norm) normalize(first, second, norm + element, a.epsilon, present);
      rotate(first, second, cos, sin);
      low = rounded(first);
      high = rounded(second);
    }

    u16* low_target = start;
    u16* high_target = start + Half;
    if (!query) {
      low_target = a.pages + page + (value ? 2 * (stored - a.kv_heads) + 1 : 2 * stored) * (u64)ImageElements + in_image;
      high_target = low_target + Half * 8;
    }
    if (present) {
      *(Bf16x8*)low_target = low;
      *(Bf16x8*)high_target = high;
    }
  }
}
