// One token, its logprob and the most probable tokens from each row of logits: section 8 of the contract.
//
//   adjust; m = max; w = floor(Exp2(((l - m) / T) * Log2E) * 2^40); top_k, top_p, min_p; inverse CDF of a Philox draw
//   logprob = (l - m) - Log2(fp32(S) * 2^-40) * Ln2 of the raw logits
//   digest: the sums of token_digest.cuh over the raw logits, of rows that ask for it
//
// Shapes:  logits [rows, vocabulary] fp32, never written; one SamplingRow and one SamplingResult per row; vocabulary at most 2^18.
// Threads: a cluster of 8 blocks per row. Block r holds tokens [r * slice, (r + 1) * slice) in shared memory, where they are
//          adjusted, so that logits are read once. A warp owns a run of tiles of 128 consecutive tokens, a lane four of each.
// Order:   none: maxima, integer sums and selections by keys without ties. Ascending ids come from the runs' places.
// May vary: the order in which tokens reach counters, bins and the list of top tokens, which is sorted by keys that differ.
#include "launch.cuh"
#include "numerics.cuh"
#include "ptx.cuh"
#include "token_digest.cuh"
#include "token_selection.cuh"
#include "token_weights.cuh"

constexpr u32 WANTS_LOGPROB = 1;
constexpr u32 IS_UNUSED = 2;
constexpr u32 WANTS_DIGEST = 4;

struct SamplingRow {
  const u32* lists;  // bias tokens, biases, history tokens, output counts, banned tokens: one after the other
  u64 seed;
  u64 position;
  u64 min_weight;
  u32 logit_row;
  i32 scored;  // -1: draw
  float temperature;
  u32 top_k;      // 0: all
  u32 top_share;  // top_p * 2^24
  float repetition;
  float frequency;
  float presence;
  u32 biases;
  u32 history;
  u32 counts;  // as history; 0: no count matters
  u32 banned;
  u32 flags;
  u32 top_count;
  u32 top_first;
  u32 unused;
};

struct SamplingResult {
  i32 token;
  float logprob;
  u32 non_finite;
  u32 unused;
  Pair digest;  // The lanes' sums; of a row without, 0.
};

struct TopToken {
  u32 token;
  float logprob;
};

// The largest logit, its lowest id and the smallest logit of a thread's, a block's, a row's tokens.
struct Extremes {
  float most, least;
  u32 token;
  bool bad;
};

constexpr u32 PARTS = 4;  // of a slice, that arrive one after the other

struct SamplingShared {
  Shared passes;
  SamplingRow row;
  Extremes raw;
  float raw_log_sum;
  u32 unused;
  u64 arrived[PARTS];
  Pair digest;
};

// SamplingKernel.cs gives every block so many bytes, and its slice after them.
static_assert(sizeof(SamplingRow) == 96 && sizeof(SamplingShared) == 25280 && sizeof(SamplingShared) % 16 == 0, "sizes");

struct SamplingArguments {
  const float* logits;
  const SamplingRow* rows;
  SamplingResult* results;
  TopToken* top;
  u32 vocabulary;
  u32 slice;  // a multiple of 4
};

// ---- The row ----------------------------------------------------------------------------------------------------------

__device__ __forceinline__ Extremes no_extremes() { return Extremes{float_of(0xFF800000u), float_of(0x7F800000u), NO_TOKEN, false}; }

// Takes tokens in ascending order.
__device__ __forceinline__ void take(Extremes& e, float l, u32 token, bool bad) {
  if (l > e.most || e.token == NO_TOKEN) e.token = token;
  e.most = fmaxf(e.most, l);
  e.least = fminf(e.least, l);
  e.bad |= bad;
}

// Of the whole row, from every thread's.
__device__ __forceinline__ Extremes combine(Row& row, Extremes e) {
  Shared& shared = *row.shared;
  u32 key = e.token == NO_TOKEN ? NO_TOKEN : token_key(e.most);
  u32 least_key = e.token == NO_TOKEN ? 0 : token_key(e.least);
  u32 warp_key = __reduce_min_sync(EVERY_LANE, key);
  u32 token = __reduce_min_sync(EVERY_LANE, key == warp_key ? e.token : NO_TOKEN);
  least_key = __reduce_max_sync(EVERY_LANE, least_key);
  u32 bad = __any_sync(EVERY_LANE, e.bad) ? 1 : 0;
  __syncthreads();
  if (threadIdx.x % 32 == 0) shared.warp_pairs[threadIdx.x / 32] = Pair{(u64)warp_key << 32 | token, (u64)bad << 32 | least_key};
  __syncthreads();
  auto merge = [](Pair a, Pair b) {
    u64 bad = (a.second | b.second) >> 32;
    return Pair{min(a.first, b.first), bad << 32 | max((u32)a.second, (u32)b.second)};
  };
  Pair all = shared.warp_pairs[0];
  for (u32 w = 1; w < WARPS; w++) all = merge(all, shared.warp_pairs[w]);
  const Pair* given = exchange(row, all);
  all = given[0];
  for (u32 r = 1; r < BLOCKS; r++) all = merge(all, given[r]);
  return Extremes{key_logit((u32)(all.first >> 32)), key_logit((u32)all.second), (u32)all.first, all.second >> 32 != 0};
}

__device__ __forceinline__ bool is_not_finite(float l) { return (bits_of(l) & 0x7FFFFFFFu) >= 0x7F800000u; }

// Tokens of a part of the slice, whole tiles but for the last.
__device__ __forceinline__ u32 part_of(const Row& row) { return (tiles_of(row) + PARTS - 1) / PARTS * TILE; }

__device__ __forceinline__ u32 part_length(const Row& row, u32 part) {
  u32 first = min(part * part_of(row), row.count);
  return min(row.count - first, part_of(row));
}

// Starts copies of this block's tokens to shared memory, a part per barrier; by one thread. Widths that are no multiple of four
// have rows where 16 bytes cannot begin: scan_tokens loads those.
__device__ __forceinline__ void start_copies(const Row& row, SamplingShared& shared, const float* logits) {
  for (u32 part = 0; part < PARTS; part++) {
    u32 first = part * part_of(row), count = part_length(row, part);
    u32 arrived = shared_address(&shared.arrived[part]);
    barrier_arrive_expect(arrived, count * 4);
    if (count > 0) bulk_load(shared_address(row.slice + first), logits + first, count * 4, arrived);
  }
}

__device__ __forceinline__ Extremes scan_tokens(const Row& row, SamplingShared& shared, const float* logits, bool copied) {
  Extremes e = no_extremes();
  if (copied) {
    for (u32 part = 0; part < PARTS; part++) {
      u32 first = part * part_of(row), end = first + part_length(row, part);
      barrier_wait(shared_address(&shared.arrived[part]), 0);
#pragma unroll 2
      for (u32 at = first + threadIdx.x * EACH; at < end; at += THREADS * EACH) {
        float4 l = *(const float4*)(row.slice + at);
        take(e, l.x, row.first + at, is_not_finite(l.x));
        take(e, l.y, row.first + at + 1, is_not_finite(l.y));
        take(e, l.z, row.first + at + 2, is_not_finite(l.z));
        take(e, l.w, row.first + at + 3, is_not_finite(l.w));
      }
    }
  } else {
#pragma unroll 4
    for (u32 at = threadIdx.x; at < row.count; at += THREADS) {
      float l = logits[at];
      row.slice[at] = l;
      take(e, l, row.first + at, is_not_finite(l));
    }
  }
  for (u32 at = row.count + threadIdx.x; at < tiles_of(row) * TILE; at += THREADS) row.slice[at] = float_of(0xFF800000u);
  return e;
}

__device__ __forceinline__ float penalised(const SamplingRow& a, float l, u32 count) {
  l = l > 0.0f ? __fdiv_rn(l, a.repetition) : __fmul_rn(l, a.repetition);
  l = __fsub_rn(l, __fmul_rn(a.frequency, __uint2float_rn(count)));
  return count > 0 ? __fsub_rn(l, a.presence) : l;
}

// Bias, penalties, bans, each over this block's tokens of the row's lists.
__device__ __forceinline__ void adjust(const Row& row, const SamplingRow& a) {
  const u32* tokens = a.lists;
  const u32* biases = tokens + a.biases;
  __syncthreads();
  for (u32 i = threadIdx.x; i < a.biases; i += THREADS) {
    u32 token = tokens[i];
    if (token - row.first >= row.count || (i > 0 && tokens[i - 1] == token)) continue;
    // Tokens ascend; several biases of one are added in turn.
    float l = row.slice[token - row.first];
    for (u32 j = i; j < a.biases && tokens[j] == token; j++) l = __fadd_rn(l, float_of(biases[j]));
    row.slice[token - row.first] = l;
  }
  tokens = biases + a.biases;
  const u32* counts = tokens + a.history;
  __syncthreads();
  for (u32 i = threadIdx.x; i < a.history; i += THREADS) {
    u32 at = tokens[i] - row.first;
    if (at < row.count) row.slice[at] = penalised(a, row.slice[at], a.counts > 0 ? counts[i] : 0);
  }
  tokens = counts + a.counts;
  __syncthreads();
  for (u32 i = threadIdx.x; i < a.banned; i += THREADS) {
    u32 at = tokens[i] - row.first;
    if (at < row.count) row.slice[at] = float_of(0xFF800000u);
  }
  __syncthreads();
}

// Of the adjusted tokens; banned ones are -infinity.
__device__ __forceinline__ Extremes scan_adjusted(const Row& row) {
  Extremes e = no_extremes();
  for (u32 at = threadIdx.x; at < row.count; at += THREADS) {
    float l = row.slice[at];
    take(e, l, row.first + at, !(l < float_of(0x7F800000u)));
  }
  return e;
}

// The first tokens by (raw logit descending, id ascending), sorted.
__device__ __forceinline__ void list_top(Row& row, const SamplingShared& all, Spread spread, TopToken* top) {
  Shared& shared = *row.shared;
  u32 count = all.row.top_count;
  Cut cut = select<true>(row, spread, [](float, u32, u32) { return (u64)1; }, [&](u64) { return (u64)count; });
  u64* list = (u64*)shared.bins;
  visit_tokens(row, [&](const Four& four) {
#pragma unroll
    for (u32 k = 0; k < EACH; k++) {
      u32 key = token_key(four.l[k]);
      if (k < four.count && keeps(cut, key, four.token + k)) {
        u32 place = atomicAdd(in_block(&shared.top_listed, 0), 1);
        *in_block(list + place, 0) = (u64)key << 32 | (four.token + k);
      }
    }
  });
  cluster_sync();
  if (row.rank != 0) return;
  for (u32 i = threadIdx.x; i < count; i += THREADS) {
    u64 mine = list[i];
    u32 place = 0;
    for (u32 j = 0; j < count; j++) place += list[j] < mine;
    top[place] = TopToken{(u32)mine, token_logprob(key_logit((u32)(mine >> 32)), all.raw.most, all.raw_log_sum)};
  }
}

// The token that the row's random number falls on, in one thread of the cluster.
template <typename Weigh>
__device__ __forceinline__ u32 draw_weighed(Row& row, const SamplingRow& a, Weigh weigh) {
  u64 sum = sum_tokens(row, weigh);
  const Pair* given = exchange(row, Pair{sum, 0});
  u64 point = __umul64hi(philox_draw(a.seed, a.position, 0), sum_before(given, BLOCKS));
  return find_token(row, sum_before(given, row.rank), point, weigh);
}

// The same after the row's filters.
__device__ __forceinline__ u32 draw(Row& row, const SamplingRow& a, Spread spread, u32 vocabulary) {
  WeightScale scale = weight_scale(spread.max, a.temperature);
  auto above_minimum = [&](float l) {
    u64 weight = token_weight(scale, l);
    return weight >= a.min_weight ? weight : 0;
  };
  bool by_k = a.top_k > 0 && a.top_k < vocabulary, by_p = a.top_share < 1u << 24;
  if (!by_k && !by_p) return draw_weighed(row, a, [&](float l, u32) { return above_minimum(l); });

  Cut by_count{NO_TOKEN, NO_TOKEN};
  if (by_k) by_count = select<true>(row, spread, [](float, u32, u32) { return (u64)1; }, [&](u64) { return (u64)a.top_k; });
  Cut cut = by_count;
  if (by_p) {
    // Below 29 temperatures from the maximum, all weigh 0.
    spread.step = fmaxf(spread.step, finite_or_zero(__fdiv_rn((float)BINS, __fmul_rn(a.temperature, 29.0f))));
    cut = select<false>(
        row, spread, [&](float l, u32 key, u32 token) { return keeps(by_count, key, token) ? token_weight(scale, l) : 0; },
        [&](u64 total) { return top_p_bound(a.top_share, total); });
    if (cut.key == by_count.key) cut.token = min(cut.token, by_count.token);
  }
  return draw_weighed(row, a, [&](float l, u32 token) { return keeps(cut, token_key(l), token) ? above_minimum(l) : 0; });
}

__device__ __forceinline__ Spread spread_of(float max, float least) {
  return Spread{max, finite_or_zero(__fdiv_rn((float)BINS, __fsub_rn(max, least)))};
}

__device__ __forceinline__ void answer_non_finite(const SamplingArguments& g) {
  g.results[blockIdx.x / BLOCKS] = SamplingResult{-1, float_of(0x7FC00000u), 1, 0, Pair{0, 0}};
}

// By the one thread that has the token. The logprob is of the raw logit, which is still where it came from.
__device__ __forceinline__ void answer(const SamplingArguments& g, const SamplingShared& shared, u32 token) {
  float logprob = float_of(0x7FC00000u);
  if (shared.row.flags & WANTS_LOGPROB) {
    float l = g.logits[(u64)shared.row.logit_row * g.vocabulary + token];
    logprob = token_logprob(l, shared.raw.most, shared.raw_log_sum);
  }
  Pair digest = shared.row.flags & WANTS_DIGEST ? shared.digest : Pair{0, 0};
  g.results[blockIdx.x / BLOCKS] = SamplingResult{(i32)token, logprob, 0, 0, digest};
}

extern "C" __global__ void __launch_bounds__(THREADS, 2) sample_rows(const __grid_constant__ SamplingArguments g) {
  extern __shared__ __align__(16) u8 dynamic_shared[];
  wait_for_previous_kernel();
  let_next_kernel_start();
  SamplingShared& shared = *(SamplingShared*)dynamic_shared;
  const SamplingRow& a = shared.row;
  Row row;
  row.shared = &shared.passes;
  row.slice = (float*)(dynamic_shared + sizeof(SamplingShared));
  row.rank = cluster_rank();
  row.first = min(row.rank * g.slice, g.vocabulary);
  row.count = min(g.vocabulary - row.first, g.slice);
  row.turn = 0;
  bool copied = g.vocabulary % EACH == 0, answers = row.rank == 0 && threadIdx.x == 0;

  const SamplingRow* asked = g.rows + blockIdx.x / BLOCKS;
  if (asked->flags & IS_UNUSED) return;
  cluster_arrive();
  const float* logits = g.logits + (u64)asked->logit_row * g.vocabulary + row.first;
  if (threadIdx.x == 0) {
    shared.passes.top_listed = 0;
    for (u32 part = 0; part < PARTS; part++) barrier_init(shared_address(&shared.arrived[part]), 1);
    barrier_init_fence();
    if (copied) start_copies(row, shared, logits);
  }
  if (threadIdx.x < sizeof(SamplingRow) / 4) ((u32*)&shared.row)[threadIdx.x] = ((const u32*)asked)[threadIdx.x];
  __syncthreads();
  Extremes best = scan_tokens(row, shared, logits, copied);
  cluster_wait();  // The others have started: their shared memory can be written.
  best = combine(row, best);
  if (threadIdx.x == 0) shared.raw = best;
  if (best.bad) {
    if (answers) answer_non_finite(g);
    return;
  }

  if (a.flags & WANTS_DIGEST) {
    Pair digest = digest_row(row);
    if (threadIdx.x == 0) shared.digest = digest;
  }

  if (a.flags & WANTS_LOGPROB) {
    u64 sum = sum_tokens(row, [&](float l, u32) { return plain_weight(best.most, l); });
    float raw_log_sum = log_sum(sum_before(exchange(row, Pair{sum, 0}), BLOCKS));
    if (threadIdx.x == 0) shared.raw_log_sum = raw_log_sum;
    if (a.top_count > 0) list_top(row, shared, spread_of(best.most, best.least), g.top + a.top_first);
  }

  if (a.scored >= 0) {
    if (answers) answer(g, shared, (u32)a.scored);
    return;
  }

  if (a.biases + a.history + a.banned > 0) {
    adjust(row, a);
    best = combine(row, scan_adjusted(row));
    if (best.bad || best.most == float_of(0xFF800000u)) {
      if (answers) answer_non_finite(g);
      return;
    }
  } else {
    __syncthreads();
    best = shared.raw;
  }
  if (a.temperature == 0.0f) {
    if (answers) answer(g, shared, best.token);
    return;
  }
  u32 token = draw(row, a, spread_of(best.most, shared.raw.least), g.vocabulary);
  if (token != NO_TOKEN) answer(g, shared, token);
}
