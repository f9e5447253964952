// The contract's scalar arithmetic (src/Grid.Numerics/CONTRACT.md, sections 1, 4 and 8), mirrored operation by operation from
// Grid.Numerics: Bf16, Transcendentals, Exp2Bf16, Philox4x32. Every rounding is spelled out (__fmaf_rn and its kin), so that no
// option decides what is contracted. Constants are given as the contract gives them, as bits.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;

static_assert(sizeof(u16) == 2 && sizeof(u32) == 4 && sizeof(u64) == 8, "integers have these sizes");

__device__ __forceinline__ float float_of(u32 bits) { return __uint_as_float(bits); }
__device__ __forceinline__ u32 bits_of(float x) { return __float_as_uint(x); }

// ---- Section 1: bf16 as its 16 bits --------------------------------------------------------------------------------

__device__ __forceinline__ float bf16_to_float(u16 bits) { return float_of((u32)bits << 16); }

// To nearest, ties to even; subnormals are kept. NaN gives the GPU's own NaN (payloads are outside the contract).
__device__ __forceinline__ u16 float_to_bf16(float x) {
  u16 bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
}

// Two at once: the first in the low half, as in memory.
__device__ __forceinline__ u32 floats_to_bf16x2(float first, float second) {
  u32 bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(second), "f"(first));
  return bits;
}

__device__ __forceinline__ float bf16x2_first(u32 pair) { return float_of(pair << 16); }
__device__ __forceinline__ float bf16x2_second(u32 pair) { return float_of(pair & 0xFFFF0000u); }

// Eight in 16 bytes: what one thread loads or stores at once.
struct alignas(16) Bf16x8 {
  u32 pair[4];
};

// ---- Section 4: elementary functions -------------------------------------------------------------------------------

// 2^n for -126 <= n <= 127, and what the same bits mean beyond.
__device__ __forceinline__ float power_of_two(i32 n) { return float_of((u32)(n + 127) << 23); }

// Exp2 of an argument within [-151, 129] is p * 2^n, p in [sqrt(1/2), sqrt(2)].
struct Exp2Parts {
  float p;
  i32 n;
};

__device__ __forceinline__ Exp2Parts exp2_parts(float c) {
  float s = __fadd_rn(c, 12582912.0f);
  i32 n = (i32)(bits_of(s) - 0x4B400000u);
  float f = __fsub_rn(c, __fsub_rn(s, 12582912.0f));
  float p = float_of(0x3920D380u);
  p = __fmaf_rn(p, f, float_of(0x3AAF829Du));
  p = __fmaf_rn(p, f, float_of(0x3C1D96ACu));
  p = __fmaf_rn(p, f, float_of(0x3D6357BAu));
  p = __fmaf_rn(p, f, float_of(0x3E75FDEFu));
  p = __fmaf_rn(p, f, float_of(0x3F317218u));
  return Exp2Parts{__fmaf_rn(p, f, 1.0f), n};
}

// Exp2 of an argument within [-151, 129].
__device__ __forceinline__ float exp2_in_range(float c) {
  Exp2Parts parts = exp2_parts(c);
  i32 h = parts.n >> 1;
  return __fmul_rn(__fmul_rn(parts.p, power_of_two(h)), power_of_two(parts.n - h));
}

__device__ __forceinline__ float grid_exp2(float x) {
  float c = x < -151.0f ? -151.0f : x;
  return exp2_in_range(c > 129.0f ? 129.0f : c);
}

// The same for x <= 0 or -infinity, which never meets the upper clamp.
__device__ __forceinline__ float exp2_nonpositive(float x) { return exp2_in_range(fmaxf(x, -151.0f)); }

__device__ __forceinline__ float grid_log2(float x) {
  if (!(x > 0.0f)) return x == 0.0f ? float_of(0xFF800000u) : float_of(0x7FC00000u);
  if (x == float_of(0x7F800000u)) return x;
  bool subnormal = x < float_of(0x00800000u);
  float y = subnormal ? __fmul_rn(x, 8388608.0f) : x;
  float b = subnormal ? -23.0f : 0.0f;
  i32 bits = (i32)bits_of(y);
  i32 e = (bits - 0x3F3504F3) >> 23;
  float f = __fsub_rn(float_of((u32)bits - ((u32)e << 23)), 1.0f);
  float q = float_of(0x3DD25A58u);
  q = __fmaf_rn(q, f, float_of(0xBE2DA2ECu));
  q = __fmaf_rn(q, f, float_of(0x3E2DC520u));
  q = __fmaf_rn(q, f, float_of(0xBE36F6DDu));
  q = __fmaf_rn(q, f, float_of(0x3E5248A1u));
  q = __fmaf_rn(q, f, float_of(0xBE764383u));
  q = __fmaf_rn(q, f, float_of(0x3E93BE1Bu));
  q = __fmaf_rn(q, f, float_of(0xBEB8AA2Du));
  q = __fmaf_rn(q, f, float_of(0x3EF6384Au));
  q = __fmaf_rn(q, f, float_of(0xBF38AA3Bu));
  q = __fmaf_rn(q, f, float_of(0x32A57060u));
  float log = __fmaf_rn(f, float_of(0x3FB8AA3Bu), __fmul_rn(f, q));
  return __fadd_rn(__fadd_rn((float)e, b), log);
}

// x * sigmoid(x).
__device__ __forceinline__ float grid_silu(float x) {
  float t = grid_exp2(__fmul_rn(x, float_of(0xBFB8AA3Bu)));
  return __fdiv_rn(x, __fadd_rn(1.0f, t));
}

// 2^t rounded to bf16, for attention weights: the special-function unit, then the rounding. The CPU holds its thresholds.
__device__ __forceinline__ float exp2_approx(float t) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(t));
  return y;
}

__device__ __forceinline__ u16 grid_exp2_bf16(float t) { return float_to_bf16(exp2_approx(t)); }

// ---- Section 8: Philox4x32-10 --------------------------------------------------------------------------------------

struct PhiloxBlock {
  u32 word0, word1, word2, word3;
};

__device__ __forceinline__ PhiloxBlock philox4x32(u32 key0, u32 key1, u32 c0, u32 c1, u32 c2, u32 c3) {
#pragma unroll
  for (i32 round = 0; round < 10; round++) {
    u32 high0 = __umulhi(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
    u32 high1 = __umulhi(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
    c0 = high1 ^ c1 ^ key0;
    c1 = low1;
    c2 = high0 ^ c3 ^ key1;
    c3 = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return PhiloxBlock{c0, c1, c2, c3};
}

// The 64 random bits of a sequence at a position.
__device__ __forceinline__ u64 philox_draw(u64 seed, u64 position, u32 stream) {
  PhiloxBlock block = philox4x32((u32)seed, (u32)(seed >> 32), (u32)position, (u32)(position >> 32), stream, 0);
  return ((u64)block.word1 << 32) | block.word0;
}
