// Section 8 of the contract, per token: the order of logits and their integer weights, mirrored from Grid.Numerics (VocabularySum,
// SamplerReference.Exponent).
#pragma once
#include "numerics.cuh"

// Ascending keys are descending logits; -0 and +0 are equal. Not for NaN.
__device__ __forceinline__ u32 token_key(float logit) {
  u32 bits = bits_of(__fadd_rn(logit, 0.0f));
  return bits ^ ((i32)bits >> 31 & 0x7FFFFFFFu) ^ 0x7FFFFFFFu;
}

// The logit of a key (+0 for -0).
__device__ __forceinline__ float key_logit(u32 key) {
  u32 ascending = key ^ 0x7FFFFFFFu;
  return float_of(ascending ^ ((i32)ascending >> 31 & 0x7FFFFFFFu));
}

// floor(Exp2(x) * 2^40) for x at most 0, not NaN: Exp2's scalings by powers of two are here a shift of the significand. Exp2 rounds
// only results below 2^-126, and those weigh 0 either way.
__device__ __forceinline__ u64 exponent_weight(float x) {
  Exp2Parts parts = exp2_parts(fmaxf(x, -151.0f));
  u32 significand = (bits_of(parts.p) & 0x007FFFFFu) | 0x00800000u;
  i32 down = 127 - parts.n - (i32)(bits_of(parts.p) >> 23);
  return ((u64)significand << 17) >> min(down, 63);
}

// How a row's logits become weights: x = l - max, weight((x / temperature) * Log2E). IEEE division has a rare way out that costs
// the common way its pipelining; this is the same for what weights can show, without it. Numerator and temperature are scaled by
// 2^k = up * up_more, which puts the temperature into [1, 2); a numerator below -220, more than 110 temperatures, weighs 0 there as
// well as where it was. With y = 1 / scaled rounded to nearest, the first correction of x * y is off by less than an ulp, and the second
// is the rounded quotient (P. W. Markstein, IBM J. Res. Dev. 34, 1990). Rounding errors of scaled numerators below 2^-126 are
// lost in Exp2.
struct WeightScale {
  float max, up, up_more, scaled, y;
};

__device__ __forceinline__ WeightScale weight_scale(float max, float temperature) {
  bool subnormal = temperature < float_of(0x00800000u);
  u32 bits = bits_of(subnormal ? __fmul_rn(temperature, 16777216.0f) : temperature);
  i32 k = 127 - (i32)(bits >> 23) + (subnormal ? 24 : 0), half = k >> 1;
  float scaled = float_of((bits & 0x007FFFFFu) | 0x3F800000u);
  return WeightScale{max, power_of_two(half), power_of_two(k - half), scaled, __fdiv_rn(1.0f, scaled)};
}

__device__ __forceinline__ u64 token_weight(const WeightScale& scale, float logit) {
  float x = __fmul_rn(__fmul_rn(__fsub_rn(logit, scale.max), scale.up), scale.up_more);
  x = fmaxf(x, -220.0f);
  float q = __fmul_rn(x, scale.y);
  q = __fmaf_rn(__fmaf_rn(-scale.scaled, q, x), scale.y, q);
  q = __fmaf_rn(__fmaf_rn(-scale.scaled, q, x), scale.y, q);
  return exponent_weight(__fmul_rn(q, float_of(0x3FB8AA3Bu)));
}

// The weight at temperature 1.
__device__ __forceinline__ u64 plain_weight(float max, float logit) {
  return exponent_weight(__fmul_rn(__fsub_rn(logit, max), float_of(0x3FB8AA3Bu)));
}

// Log2(fp32(sum) * 2^-40) * Ln2; the conversion rounds once, to nearest even.
__device__ __forceinline__ float log_sum(u64 sum) {
  return __fmul_rn(grid_log2(__fmul_rn(__ull2float_rn(sum), float_of(0x2B800000u))), float_of(0x3F317218u));
}

// (logit - max) - log_sum. A logit that equals the maximum gives +0 whatever the signs of zeros: only a maximum that other tokens
// share could differ in its sign, and then log_sum is not 0.
__device__ __forceinline__ float token_logprob(float logit, float max, float log_sum) {
  return __fsub_rn(logit == max ? 0.0f : __fsub_rn(logit, max), log_sum);
}

// The least weight before which top_p keeps a token: ceil(share * sum / 2^24), at least 1, so that the first always stays.
__device__ __forceinline__ u64 top_p_bound(u32 share, u64 sum) {
  u64 low = (u64)share * sum, high = __umul64hi(share, sum);
  u64 rounded = low + 0xFFFFFFu;
  high += rounded < low;
  return max(high << 40 | rounded >> 24, (u64)1);
}
