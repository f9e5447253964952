// Choice of every row's experts, and the order in which the products take them (contract, section 6).
//
//   slots 0 .. k-1 of a row hold the experts of its k largest logits, by (logit descending, expert ascending); m = slot 0's logit
//   p[e] = Exp2((l[e] - m) * Log2E);  w[s] = p[expert of s] / S
//   S = +0, S = S + p[expert of s] over ascending slots (normalize), else the sum of all p[e] in the tree of section 5
//   a row with a logit that is not finite: experts 0 .. k-1, weights NaN
//   then a stable counting sort of the entries by expert: grouped, and the list of items (expert_work.cuh)
//
// Shapes:  logits [*, experts] fp32; row_count one u32, the rows that count (more than `rows` are not looked at); chosen and weights
//          [rows, slots]; grouped [rows * slots]; work: a header and as many items as the sizes can need (ExpertRoutingMemory);
//          ticket one u32, 0 before the first launch and after each. experts at most 32 * EXPERTS_PER_LANE, slots at most 32 and at
//          most the experts. Nothing of rows past row_count is read or written.
// Threads: 1024; a warp chooses for one row, lane i holding logits i, i + 32, ... The block that ends last groups all
//          entries: warp w counts, then places a stretch of them.
// Order:   the two sums as above. Maxima, ties and the sort are on integers: which block ends last changes nothing.
// May vary: EXPERTS_PER_LANE, the grid, the stretches.
#include "expert_work.cuh"
#include "launch.cuh"
#include "numerics.cuh"
#include "row_reduction.cuh"

struct RouteArguments {
  const float* logits;
  const u32* row_count;
  u32* chosen;
  float* weights;
  u32* grouped;
  WorkHeader* work;
  u32* ticket;
  u32 rows;
  u32 experts;
  u32 slots;
  u32 normalize;
  u32 tile_tokens;
  u32 tree_lanes;
};

constexpr u32 THREADS = 1024;
constexpr u32 WARPS = THREADS / 32;
constexpr u32 MAX_EXPERTS = 32 * EXPERTS_PER_LANE;
constexpr u32 ALL = 0xFFFFFFFFu;
constexpr u32 EXPONENT = 0x7F800000u;
static_assert(MAX_EXPERTS <= 512, "the tree's lanes, and one thread an expert");

// ---- One row, by a warp ----------------------------------------------------------------------------------------------

// Integers in the order of finite floats, both zeros alike, all above 0.
__device__ __forceinline__ u32 key_of(float logit) {
  u32 bits = bits_of(__fadd_rn(logit, 0.0f));
  return bits ^ ((u32)((i32)bits >> 31) | 0x80000000u);
}

__device__ __forceinline__ float logit_of(u32 key) { return float_of(key >> 31 ? key ^ 0x80000000u : ~key); }

__device__ __forceinline__ float share(float logit, float largest) {
  return grid_exp2(__fmul_rn(__fsub_rn(logit, largest), float_of(0x3FB8AA3Bu)));
}

// The sum over all experts: lanes of the tree of section 5.
__device__ __forceinline__ float sum_of_experts(const RouteArguments& a, const float* logits, float largest, u32 lane) {
  float sums[2] = {0.0f, 0.0f};
#pragma unroll
  for (u32 part = 0; part < 2; part++) {
    u32 first = (part * 32 + lane) * ROW_STEP;
    for (u32 e = first; e < min(first + ROW_STEP, a.experts); e++) sums[part] = __fadd_rn(sums[part], share(logits[e], largest));
  }
  return row_combine_in_warp(sums[0], sums[1], a.tree_lanes);
}

// Lane s gets slot s: its expert, and its logit's key.
__device__ __forceinline__ void choose(u32 (&keys)[EXPERTS_PER_LANE], u32 slots, u32 lane, u32& expert, u32& key) {
  for (u32 slot = 0; slot < slots; slot++) {
    u32 best = 0, at = ALL;
#pragma unroll
    for (u32 j = 0; j < EXPERTS_PER_LANE; j++) {
      if (keys[j] > best) {
        best = keys[j];
        at = j * 32 + lane;
      }
    }
    u32 top = __reduce_max_sync(ALL, best);
    u32 winner = __reduce_min_sync(ALL, best == top ? at : ALL);
    if (lane == slot) {
      expert = winner;
      key = top;
    }
#pragma unroll
    for (u32 j = 0; j < EXPERTS_PER_LANE; j++) {
      if (j * 32 + lane == winner) keys[j] = 0;
    }
  }
}

__device__ __forceinline__ void route_row(const RouteArguments& a, u32 row, u32 lane) {
  const float* logits = a.logits + (u64)row * a.experts;
  u32 keys[EXPERTS_PER_LANE];
  bool finite = true;
#pragma unroll
  for (u32 j = 0; j < EXPERTS_PER_LANE; j++) {
    u32 e = j * 32 + lane;
    float logit = e < a.experts ? logits[e] : 0.0f;
    finite = finite && (bits_of(logit) & EXPONENT) != EXPONENT;
    keys[j] = e < a.experts ? key_of(logit) : 0;
  }
  u32 expert = lane, key = 0;
  float weight = float_of(0x7FC00000u);
  if (__all_sync(ALL, finite)) {
    choose(keys, a.slots, lane, expert, key);
    float logit = logit_of(key);
    float largest = __shfl_sync(ALL, logit, 0);
    float mine = share(logit, largest);
    float sum = 0.0f;
    if (a.normalize) {
      for (u32 slot = 0; slot < a.slots; slot++) sum = __fadd_rn(sum, __shfl_sync(ALL, mine, slot));
    } else {
      sum = sum_of_experts(a, logits, largest, lane);
    }
    weight = __fdiv_rn(mine, sum);
  }
  if (lane < a.slots) {
    a.chosen[row * a.slots + lane] = expert;
    a.weights[row * a.slots + lane] = weight;
  }
}

// ---- All entries, by one block ---------------------------------------------------------------------------------------

struct GroupScratch {
  u32 starts[MAX_EXPERTS];
  u64 sums[WARPS];
  bool last;
};

// Sums over all threads before this one, and over all.
__device__ __forceinline__ u64 sum_before(u64 value, GroupScratch& scratch, u64& all) {
  u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  u64 sum = value;
#pragma unroll
  for (u32 step = 1; step < 32; step *= 2) {
    u64 other = __shfl_up_sync(ALL, sum, step);
    if (lane >= step) sum += other;
  }
  if (lane == 31) scratch.sums[warp] = sum;
  __syncthreads();
  u64 of_warps = scratch.sums[lane];
#pragma unroll
  for (u32 step = 1; step < 32; step *= 2) {
    u64 other = __shfl_up_sync(ALL, of_warps, step);
    if (lane >= step) of_warps += other;
  }
  all = __shfl_sync(ALL, of_warps, 31);
  u64 before_warp = __shfl_sync(ALL, of_warps, (warp + 31) % 32);
  return sum - value + (warp == 0 ? 0 : before_warp);
}

// counts [stretch][expert]: first how many, then how many of the expert lie in the stretches before.
__device__ __forceinline__ void list_items(const RouteArguments& a, u32* counts, u32 stretches, u32 entries, GroupScratch& scratch) {
  u32 expert = threadIdx.x, total = 0;
  if (expert < a.experts) {
    for (u32 i = 0; i < stretches; i++) {
      u32 count = counts[i * a.experts + expert];
      counts[i * a.experts + expert] = total;
      total += count;
    }
  }
  u32 items = (total + a.tile_tokens - 1) / a.tile_tokens;
  u64 all, before = sum_before((u64)items << 32 | total, scratch, all);
  u32 start = (u32)before;
  if (expert < a.experts) scratch.starts[expert] = start;
  WorkItem* list = (WorkItem*)(a.work + 1) + (before >> 32);
  for (u32 i = 0; i < items; i++) {
    u32 done = i * a.tile_tokens;
    list[i] = WorkItem{expert, start + done, min(a.tile_tokens, total - done), 0};
  }
  if (threadIdx.x == 0) *a.work = WorkHeader{(u32)(all >> 32), entries, {0, 0}};
}

__device__ __forceinline__ void group_entries(const RouteArguments& a, u32 rows, u32* counts, GroupScratch& scratch) {
  u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  u32 entries = rows * a.slots;
  u32 stretch = max((entries + THREADS - 1) / THREADS, 1u) * 32;
  u32 stretches = (entries + stretch - 1) / stretch;
  u32 end = min((warp + 1) * stretch, entries);
  u32* mine = counts + warp * a.experts;
  for (u32 i = threadIdx.x; i < stretches * a.experts; i += THREADS) counts[i] = 0;
  __syncthreads();
  for (u32 first = warp * stretch; first < end; first += 32) {
    u32 expert = first + lane < end ? __ldcg(a.chosen + first + lane) : ALL;
    u32 alike = __match_any_sync(ALL, expert);
    if (expert != ALL && lane == __ffs(alike) - 1) mine[expert] += __popc(alike);
    __syncwarp();
  }
  __syncthreads();
  list_items(a, counts, stretches, entries, scratch);
  __syncthreads();
  for (u32 first = warp * stretch; first < end; first += 32) {
    u32 expert = first + lane < end ? __ldcg(a.chosen + first + lane) : ALL;
    u32 alike = __match_any_sync(ALL, expert);
    u32 before = expert != ALL ? mine[expert] : 0;
    __syncwarp();
    if (expert != ALL) {
      a.grouped[scratch.starts[expert] + before + __popc(alike & ((1u << lane) - 1))] = first + lane;
      if (lane == __ffs(alike) - 1) mine[expert] = before + __popc(alike);
    }
    __syncwarp();
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) route(const __grid_constant__ RouteArguments a) {
  extern __shared__ u32 counts[];
  __shared__ GroupScratch scratch;
  wait_for_previous_kernel();
  let_next_kernel_start();
  u32 rows = min(*a.row_count, a.rows);
  u32 row = blockIdx.x * WARPS + threadIdx.x / 32;
  if (row < rows) route_row(a, row, threadIdx.x % 32);

  // The block that takes the last ticket has everyone's choices, and puts the tickets back to 0.
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) scratch.last = atomicInc(a.ticket, gridDim.x - 1) == gridDim.x - 1;
  __syncthreads();
  if (!scratch.last) return;
  __threadfence();
  group_entries(a, rows, counts, scratch);
}
