// Decode where tiles are few, and one block a multiprocessor: the query of one token against one segment of its sequence's keys, for one
// KV head, and the merge of the segments. What counts is how soon a tile ends. Formula, shapes and orders: Attention.cu.
//
// Keys are the sixteen rows of mma.sync and query heads its eight columns, so S and O are computed transposed and no row is wasted on
// heads that do not exist. The chain of O is all that must go block by block, so a tile goes in chunks of a block for each score warp:
//   1. Each score warp computes S of its own block and the largest score of each head, and all of them see these.
//   2. It makes P and r of its block from the maxima of the blocks before it, and leaves them in one of two buffers.
//   3. Meanwhile each value warp continues the chains of O over the blocks of the chunk before, for its own part of the dimensions; L
//      each for itself.
// A score warp brings its own blocks of keys; a warp of its own brings the values.
#pragma once

#include "attention_block.cuh"
#include "attention_types.cuh"
#include "launch.cuh"
#include "mma.cuh"
#include "ptx.cuh"

// HeadDim: elements of a head. T, Segment: the contract's cuts. HeadTiles: of eight heads each, at most so many per KV head.
template <int HeadDim_, int T_, int Segment_, int HeadTiles_>
struct DecodeTileShape {
  static constexpr i32 HeadDim = HeadDim_;
  static constexpr i32 T = T_;
  static constexpr i32 Segment = Segment_;
  static constexpr i32 HeadTiles = HeadTiles_;
  static constexpr i32 Heads = 8 * HeadTiles;

  static constexpr i32 Warps = 4; // that score, as many that add values, and blocks of a chunk
  static constexpr i32 Threads = 32 * (2 * Warps + 1);
  static constexpr i32 DimTiles = HeadDim / 16 / Warps;
  static constexpr i32 KeySteps = HeadDim / 16; // of S
  static constexpr i32 ValueSteps = T / 16;     // of O and L
  static constexpr i32 KeyStages = 2; // of each score warp
  static constexpr i32 ValueStages = 4;

  // Shared memory: blocks of keys for each score warp, a ring of blocks of values, and by twos: P as operands of the second product,
  // r and the largest scores of each block, M after the chunk. Barriers.
  static constexpr i32 BlockBytes = T * HeadDim * 2;
  static constexpr i32 WeightBytes = Warps * ValueSteps * HeadTiles * 256;
  static constexpr i32 Values = Warps * KeyStages * BlockBytes;
  static constexpr i32 Weights = Values + ValueStages * BlockBytes;
  static constexpr i32 Rescale = Weights + 2 * WeightBytes;
  static constexpr i32 Maxima = Rescale + 2 * Warps * Heads * 4;
  static constexpr i32 Running = Maxima + 2 * Warps * Heads * 4;
  static constexpr i32 FullKeys = Running + 2 * Heads * 4;
  static constexpr i32 FullValues = FullKeys + Warps * KeyStages * 8;
  static constexpr i32 EmptyValues = FullValues + ValueStages * 8;
  static constexpr i32 FullWeights = EmptyValues + ValueStages * 8;
  static constexpr i32 EmptyWeights = FullWeights + 2 * 8;
  static constexpr i32 Last = EmptyWeights + 2 * 8;
  static constexpr i32 SharedBytes = Last + 16;

  static_assert(T == PageTokens && Segment <= 32 * T, "a block is a page; a warp holds a segment's page ids");
  static_assert(HeadDim % (16 * Warps) == 0, "every value warp has dimensions of its own");
};

// One tile and one KV head.
struct DecodeWork {
  AttentionSequence sequence;
  i32 sequence_index;
  i32 segment;
  i32 kv_head;
  i32 keys; // of the segment that the query sees
  i32 blocks;
};

template <class Shape>
__device__ __forceinline__ DecodeWork decode_work(const AttentionArguments& a, i32 index) {
  AttentionTile tile = a.tiles[index / a.kv_heads];
  DecodeWork w;
  w.sequence = a.sequences[tile.sequence];
  w.sequence_index = tile.sequence;
  w.segment = tile.segment;
  w.kv_head = index % a.kv_heads;
  w.keys = min(w.sequence.position + 1 - tile.segment * Shape::Segment, Shape::Segment);
  w.blocks = (w.keys + Shape::T - 1) / Shape::T;
  return w;
}

// What all warps have in common.
template <class Shape>
struct DecodeWarp {
  const AttentionArguments& a;
  const DecodeWork& w;
  u8* memory;
  i32 warp; // among those of its kind

  __device__ __forceinline__ i32 lane() const { return threadIdx.x % 32; }
  __device__ __forceinline__ u32 shared(i32 offset) const { return shared_address(memory) + offset; }

  // The maxima, or r, or M, of this thread's two heads of a tile: entry of a list of all heads' values.
  __device__ __forceinline__ float2& pair(i32 list, i32 entry, i32 tile) const {
    return ((float2*)(memory + list))[(entry * Shape::Heads + 8 * tile) / 2 + lane() % 4];
  }

  // P of sixteen keys and eight heads: two matrices [8 heads][8 keys], of which this lane gives the address of a row.
  __device__ __forceinline__ u32 weights(i32 buffer, i32 block, i32 step, i32 tile) const {
    return shared(Shape::Weights) + buffer * Shape::WeightBytes + ((block * Shape::ValueSteps + step) * Shape::HeadTiles + tile) * 256
      + lane() % 16 * 16;
  }

  // One arrival of the warp at a barrier.
  __device__ __forceinline__ void arrive(i32 barrier) const {
    __syncwarp();
    if (lane() == 0) barrier_arrive(shared(barrier));
  }

  // The page of a block of this segment.
  __device__ __forceinline__ i32 page(i32 block) const {
    return a.page_table[(i64)w.sequence_index * a.page_table_stride + w.segment * (Shape::Segment / PageTokens) + min(block, w.blocks - 1)];
  }

  // Whether a block holds the newest token, which the kernel before this one writes. What a step is about comes before all its kernels,
  // so that all other blocks need not wait for that kernel.
  __device__ __forceinline__ bool newest(i32 block) const {
    return block == w.sequence.position / PageTokens - w.segment * (Shape::Segment / PageTokens);
  }

  // Brings the keys (half 0) or the values (half 1) of a page. One thread.
  __device__ __forceinline__ void copy(i32 page, i32 half, i32 to, i32 full) const {
    barrier_arrive_expect(shared(full), Shape::BlockBytes);
    bulk_load(
      shared(to), a.pages + page * a.page_stride + (i64)(2 * w.kv_head + half) * Shape::BlockBytes, Shape::BlockBytes, shared(full));
  }
};

// ---- Values' copies ------------------------------------------------------------------------------------------------

template <class Shape>
__device__ __forceinline__ void decode_bring_values(const DecodeWarp<Shape>& warp) {
  i32 pages = warp.page(warp.lane());
  for (i32 i = 0; i < warp.w.blocks; i++) {
    i32 page = __shfl_sync(0xFFFFFFFFu, pages, i), stage = i % Shape::ValueStages;
    if (warp.newest(i)) wait_for_previous_kernel();
    if (warp.lane() == 0) {
      if (i >= Shape::ValueStages) barrier_wait(warp.shared(Shape::EmptyValues + stage * 8), (i / Shape::ValueStages & 1) ^ 1);
      warp.copy(page, 1, Shape::Values + stage * Shape::BlockBytes, Shape::FullValues + stage * 8);
    }
    __syncwarp();
  }
}

// ---- Scores and weights --------------------------------------------------------------------------------------------

template <class Shape>
struct DecodeScores : DecodeWarp<Shape> {
  using DecodeWarp<Shape>::a;
  using DecodeWarp<Shape>::w;
  using DecodeWarp<Shape>::warp;
  using DecodeWarp<Shape>::lane;
  using DecodeWarp<Shape>::pair;
  static constexpr i32 Blocks = Shape::T / 16; // of sixteen keys

  u32 queries[Shape::KeySteps][Shape::HeadTiles][2];
  float scores[Blocks][Shape::HeadTiles][4]; // S: [16 keys][8 heads] each
  float2 maximum[Shape::HeadTiles];          // M before the chunk

  // Heads that do not exist are zeros.
  __device__ __forceinline__ void load_queries() {
#pragma unroll
    for (i32 h = 0; h < Shape::HeadTiles; h++) {
      i32 head = 8 * h + lane() / 4;
      const u16* source = a.queries + (i64)w.sequence.first_token * a.query_stride
        + (w.kv_head * a.group + min(head, a.group - 1)) * Shape::HeadDim + 2 * (lane() % 4);
#pragma unroll
      for (i32 k = 0; k < Shape::KeySteps; k++) {
        queries[k][h][0] = head < a.group ? *(const u32*)(source + 16 * k) : 0;
        queries[k][h][1] = head < a.group ? *(const u32*)(source + 16 * k + 8) : 0;
      }
      maximum[h] = make_float2(LOWEST_SCORE, LOWEST_SCORE);
    }
  }

  // S of this warp's block, whose keys have arrived.
  __device__ __forceinline__ void score(i32 stage) {
    u32 keys = this->shared(stage * Shape::BlockBytes) + (lane() / 8 % 2 * (Shape::HeadDim / 8) + lane() / 16) * 128 + lane() % 8 * 16;
    u32 x[2][Blocks][4]; // the next step's operands arrive while this one is multiplied
    auto fetch = [&](i32 k) {
#pragma unroll
      for (i32 m = 0; m < Blocks; m++) load_matrices(x[k % 2][m], keys + (2 * m * (Shape::HeadDim / 8) + 2 * k) * 128);
    };
    fetch(0);
#pragma unroll
    for (i32 m = 0; m < Blocks; m++) {
#pragma unroll
      for (i32 h = 0; h < Shape::HeadTiles; h++) scores[m][h][0] = scores[m][h][1] = scores[m][h][2] = scores[m][h][3] = 0.0f;
    }
#pragma unroll
    for (i32 k = 0; k < Shape::KeySteps; k++) {
      if (k + 1 < Shape::KeySteps) fetch(k + 1);
#pragma unroll
      for (i32 m = 0; m < Blocks; m++) {
#pragma unroll
        for (i32 h = 0; h < Shape::HeadTiles; h++) mma(scores[m][h], x[k % 2][m], queries[k][h]);
      }
    }
  }

  // Scores of keys that the query does not see become -infinity. seen: keys of the block that it sees.
  __device__ __forceinline__ void mask(i32 seen) {
    const float none = float_of(0xFF800000u);
#pragma unroll
    for (i32 m = 0; m < Blocks; m++) {
      i32 key = 16 * m + lane() / 4;
#pragma unroll
      for (i32 h = 0; h < Shape::HeadTiles; h++) {
        scores[m][h][0] = key < seen ? scores[m][h][0] : none;
        scores[m][h][1] = key < seen ? scores[m][h][1] : none;
        scores[m][h][2] = key + 8 < seen ? scores[m][h][2] : none;
        scores[m][h][3] = key + 8 < seen ? scores[m][h][3] : none;
      }
    }
  }

  // The largest score of each of the block's heads, or none without a block, for the other warps.
  __device__ __forceinline__ void leave_maxima(i32 buffer, bool any) {
#pragma unroll
    for (i32 h = 0; h < Shape::HeadTiles; h++) {
      float2 m = make_float2(LOWEST_SCORE, LOWEST_SCORE);
      if (any) {
#pragma unroll
        for (i32 t = 0; t < Blocks; t++) {
          m.x = fmaxf(m.x, fmaxf(scores[t][h][0], scores[t][h][2]));
          m.y = fmaxf(m.y, fmaxf(scores[t][h][1], scores[t][h][3]));
        }
#pragma unroll
        for (i32 distance = 4; distance < 32; distance *= 2) {
          m.x = fmaxf(m.x, __shfl_xor_sync(0xFFFFFFFFu, m.x, distance));
          m.y = fmaxf(m.y, __shfl_xor_sync(0xFFFFFFFFu, m.y, distance));
        }
      }
      if (lane() < 4) pair(Shape::Maxima, buffer * Shape::Warps + warp, h) = m;
    }
  }

  // P and r of this warp's block, and M after the chunk.
  __device__ __forceinline__ void weigh(i32 buffer) {
#pragma unroll
    for (i32 h = 0; h < Shape::HeadTiles; h++) {
      float2 before = maximum[h], m = before;
#pragma unroll
      for (i32 b = 0; b < Shape::Warps; b++) {
        float2 block = pair(Shape::Maxima, buffer * Shape::Warps + b, h);
        if (b == warp) before = maximum[h];
        maximum[h] = make_float2(fmaxf(maximum[h].x, block.x), fmaxf(maximum[h].y, block.y));
        if (b == warp) m = maximum[h];
      }
      float2 shift = make_float2(-__fmul_rn(m.x, a.c), -__fmul_rn(m.y, a.c));
#pragma unroll
      for (i32 k = 0; k < Shape::ValueSteps; k++) {
        const float(&s)[4] = scores[k][h];
        u32 low = floats_to_bf16x2(exp2_approx(__fmaf_rn(s[0], a.c, shift.x)), exp2_approx(__fmaf_rn(s[1], a.c, shift.y)));
        u32 high = floats_to_bf16x2(exp2_approx(__fmaf_rn(s[2], a.c, shift.x)), exp2_approx(__fmaf_rn(s[3], a.c, shift.y)));
        store_matrices_transposed(this->weights(buffer, warp, k, h), low, high);
      }
      float2 r = make_float2(
        exp2_nonpositive(__fmul_rn(__fsub_rn(before.x, m.x), a.c)), exp2_nonpositive(__fmul_rn(__fsub_rn(before.y, m.y), a.c)));
      if (lane() < 4) {
        pair(Shape::Rescale, buffer * Shape::Warps + warp, h) = r;
        if (warp == 0) pair(Shape::Running, buffer, h) = maximum[h];
      }
    }
  }

  __device__ __forceinline__ void run() {
    i32 pages = this->page(warp + lane() * Shape::Warps); // lane c: the page of chunk c
    auto bring = [&](i32 chunk) {
      i32 block = chunk * Shape::Warps + warp, page = __shfl_sync(0xFFFFFFFFu, pages, chunk);
      if (block >= w.blocks) return;
      if (this->newest(block)) wait_for_previous_kernel();
      i32 stage = warp * Shape::KeyStages + chunk % Shape::KeyStages;
      if (lane() == 0) this->copy(page, 0, stage * Shape::BlockBytes, Shape::FullKeys + stage * 8);
      __syncwarp();
    };
#pragma unroll
    for (i32 chunk = 0; chunk < Shape::KeyStages; chunk++) bring(chunk);
    wait_for_previous_kernel();
    let_next_kernel_start();
    load_queries();
    for (i32 chunk = 0; chunk * Shape::Warps < w.blocks; chunk++) {
      i32 block = chunk * Shape::Warps + warp, buffer = chunk % 2;
      if (block < w.blocks) {
        i32 stage = warp * Shape::KeyStages + chunk % Shape::KeyStages;
        barrier_wait(this->shared(Shape::FullKeys + stage * 8), chunk / Shape::KeyStages & 1);
        score(stage);
        __syncwarp(); // all lanes have read the keys
        bring(chunk + Shape::KeyStages);
        if (w.keys < (block + 1) * Shape::T) mask(w.keys - block * Shape::T);
      }
      leave_maxima(buffer, block < w.blocks);
      warps_sync(1, 32 * Shape::Warps);
      if (chunk >= 2) barrier_wait(this->shared(Shape::EmptyWeights + buffer * 8), (chunk / 2 & 1) ^ 1);
      weigh(buffer);
      this->arrive(Shape::FullWeights + buffer * 8);
    }
  }
};

// ---- Values --------------------------------------------------------------------------------------------------------

template <class Shape>
struct DecodeValues : DecodeWarp<Shape> {
  using DecodeWarp<Shape>::a;
  using DecodeWarp<Shape>::w;
  using DecodeWarp<Shape>::memory;
  using DecodeWarp<Shape>::warp;
  using DecodeWarp<Shape>::lane;
  using DecodeWarp<Shape>::pair;
  static constexpr i32 Threads = 32 * Shape::Warps;

  float values[Shape::DimTiles][Shape::HeadTiles][4]; // O: [16 dimensions][8 heads] each
  float sums[Shape::HeadTiles][4];                    // L: [0] and [1], of this thread's two heads

  __device__ __forceinline__ i32 thread() const { return threadIdx.x - 32 * Shape::Warps; }
  __device__ __forceinline__ void sync() const { warps_sync(2, Threads); }

  // Operands of a step of 16 keys.
  struct Step {
    u32 values[Shape::DimTiles][4];
    u32 weights[Shape::HeadTiles][2];
  };

  __device__ __forceinline__ void fetch(Step& step, u32 image, i32 buffer, i32 block, i32 k) {
#pragma unroll
    for (i32 d = 0; d < Shape::DimTiles; d++) {
      load_matrices_transposed(step.values[d], image + (2 * k * (Shape::HeadDim / 8) + 2 * d) * 128);
    }
#pragma unroll
    for (i32 h = 0; h < Shape::HeadTiles; h++) load_matrices(step.weights[h], this->weights(buffer, block, k, h));
  }

  // Waits for the values of a block; where this lane reads them.
  __device__ __forceinline__ u32 await(i32 block) {
    i32 stage = block % Shape::ValueStages;
    barrier_wait(this->shared(Shape::FullValues + stage * 8), block / Shape::ValueStages & 1);
    return this->shared(Shape::Values + stage * Shape::BlockBytes)
      + (lane() / 16 * (Shape::HeadDim / 8) + 2 * warp * Shape::DimTiles + lane() / 8 % 2) * 128 + lane() % 8 * 16;
  }

  // O = O r + P V for this warp's dimensions and L = L r + P 1, over the `count` blocks of a chunk. Operands are fetched two steps ahead,
  // over the ends of blocks too.
  __device__ __forceinline__ void accumulate(i32 chunk, i32 count) {
    constexpr i32 Steps = Shape::ValueSteps;
    const u32 ones[4] = {0x3F803F80u, 0x3F803F80u, 0x3F803F80u, 0x3F803F80u};
    i32 buffer = chunk % 2, first = chunk * Shape::Warps;
    Step steps[Steps];
    u32 image = await(first);
    fetch(steps[0], image, buffer, 0, 0);
    fetch(steps[1], image, buffer, 0, 1);
#pragma unroll
    for (i32 b = 0; b < Shape::Warps; b++) {
      if (b >= count) break;
#pragma unroll
      for (i32 h = 0; h < Shape::HeadTiles; h++) {
        float2 r = pair(Shape::Rescale, buffer * Shape::Warps + b, h);
        sums[h][0] = sums[h][2] = __fmul_rn(sums[h][0], r.x);
        sums[h][1] = sums[h][3] = __fmul_rn(sums[h][1], r.y);
#pragma unroll
        for (i32 d = 0; d < Shape::DimTiles; d++) {
          values[d][h][0] = __fmul_rn(values[d][h][0], r.x);
          values[d][h][1] = __fmul_rn(values[d][h][1], r.y);
          values[d][h][2] = __fmul_rn(values[d][h][2], r.x);
          values[d][h][3] = __fmul_rn(values[d][h][3], r.y);
        }
      }
#pragma unroll
      for (i32 k = 0; k < Steps; k++) {
        if (k + 2 < Steps) {
          fetch(steps[k + 2], image, buffer, b, k + 2);
        } else if (b + 1 < count) {
          if (k + 2 == Steps) image = await(first + b + 1);
          fetch(steps[k + 2 - Steps], image, buffer, b + 1, k + 2 - Steps);
        }
#pragma unroll
        for (i32 h = 0; h < Shape::HeadTiles; h++) {
#pragma unroll
          for (i32 d = 0; d < Shape::DimTiles; d++) mma(values[d][h], steps[k].values[d], steps[k].weights[h]);
          mma(sums[h], ones, steps[k].weights[h]);
        }
      }
      this->arrive(Shape::EmptyValues + (first + b) % Shape::ValueStages * 8);
    }
  }

  // ---- Results

  // Whether this thread's heads of a tile exist; the second may still not.
  __device__ __forceinline__ bool exists(i32 tile) const { return 8 * tile + 2 * (lane() % 4) < a.group; }

  // Partial results of a segment: as the threads hold them, so that the merge reads what its own thread's twin wrote.
  __device__ __forceinline__ float4* partial(i32 segment) const {
    i64 at = (i64)(w.sequence.first_slot + segment) * a.kv_heads + w.kv_head;
    return (float4*)a.partial_values + at * (Shape::DimTiles * Shape::HeadTiles * Threads) + thread();
  }

  __device__ __forceinline__ float4* partial_state(i32 segment) const {
    i64 at = (i64)(w.sequence.first_slot + segment) * a.kv_heads + w.kv_head;
    return (float4*)(a.partial_state + at * Shape::Heads) + lane() % 4;
  }

  // Leaves O, M and L of the segment for the tile of this sequence and head that ends last. Whether this one is it. buffer: with M.
  __device__ __forceinline__ bool leave(i32 buffer) {
#pragma unroll
    for (i32 h = 0; h < Shape::HeadTiles; h++) {
      if (!exists(h)) continue;
#pragma unroll
      for (i32 d = 0; d < Shape::DimTiles; d++) {
        const float(&v)[4] = values[d][h];
        partial(w.segment)[(d * Shape::HeadTiles + h) * Threads] = make_float4(v[0], v[1], v[2], v[3]);
      }
      if (thread() < 4) {
        float2 m = pair(Shape::Running, buffer, h);
        partial_state(w.segment)[4 * h] = make_float4(m.x, sums[h][0], m.y, sums[h][1]);
      }
    }
    __threadfence();
    sync();
    i32& last = *(i32*)(memory + Shape::Last);
    if (thread() == 0) {
      i32* arrivals = a.arrivals + w.sequence.first_slot * a.kv_heads + w.kv_head;
      last = atomicAdd(arrivals, 1) == w.sequence.position / Shape::Segment;
      if (last) *arrivals = 0; // for the next launch
    }
    sync();
    if (last) __threadfence();
    return last;
  }

  // Merges all segments, ascending (contract, section 7, step 2). Past the first-level cache, which may hold an older launch's.
  __device__ __forceinline__ void merge() {
    i32 segments = w.sequence.position / Shape::Segment + 1;
#pragma unroll
    for (i32 h = 0; h < Shape::HeadTiles; h++) {
      if (!exists(h)) continue;
      float4 state = __ldcg(partial_state(0) + 4 * h);
      float4 v[Shape::DimTiles];
#pragma unroll
      for (i32 d = 0; d < Shape::DimTiles; d++) v[d] = __ldcg(partial(0) + (d * Shape::HeadTiles + h) * Threads);
#pragma unroll 4
      for (i32 s = 1; s < segments; s++) {
        float4 next = __ldcg(partial_state(s) + 4 * h);
        float2 m = make_float2(fmaxf(state.x, next.x), fmaxf(state.z, next.z));
        float2 r = make_float2(
          exp2_nonpositive(__fmul_rn(__fsub_rn(state.x, m.x), a.c)), exp2_nonpositive(__fmul_rn(__fsub_rn(state.z, m.y), a.c)));
        float2 t = make_float2(
          exp2_nonpositive(__fmul_rn(__fsub_rn(next.x, m.x), a.c)), exp2_nonpositive(__fmul_rn(__fsub_rn(next.z, m.y), a.c)));
#pragma unroll
        for (i32 d = 0; d < Shape::DimTiles; d++) {
          float4 other = __ldcg(partial(s) + (d * Shape::HeadTiles + h) * Threads);
          v[d].x = __fmaf_rn(other.x, t.x, __fmul_rn(v[d].x, r.x));
          v[d].y = __fmaf_rn(other.y, t.y, __fmul_rn(v[d].y, r.y));
          v[d].z = __fmaf_rn(other.z, t.x, __fmul_rn(v[d].z, r.x));
          v[d].w = __fmaf_rn(other.w, t.y, __fmul_rn(v[d].w, r.y));
        }
        state = make_float4(m.x, __fmaf_rn(next.y, t.x, __fmul_rn(state.y, r.x)), m.y, __fmaf_rn(next.w, t.y, __fmul_rn(state.w, r.y)));
      }
      sums[h][0] = state.y;
      sums[h][1] = state.w;
#pragma unroll
      for (i32 d = 0; d < Shape::DimTiles; d++) {
        values[d][h][0] = v[d].x;
        values[d][h][1] = v[d].y;
        values[d][h][2] = v[d].z;
        values[d][h][3] = v[d].w;
      }
    }
  }

  // bf16(O / L), transposed back.
  __device__ __forceinline__ void store() {
#pragma unroll
    for (i32 h = 0; h < Shape::HeadTiles; h++) {
      i32 head = 8 * h + lane() / 4;
      u16* output = a.output + (i64)w.sequence.first_token * a.output_stride + (w.kv_head * a.group + head) * Shape::HeadDim
        + 16 * warp * Shape::DimTiles + 2 * (lane() % 4);
#pragma unroll
      for (i32 d = 0; d < Shape::DimTiles; d++) {
        const float(&v)[4] = values[d][h];
        u32 low = transpose_matrix(floats_to_bf16x2(__fdiv_rn(v[0], sums[h][0]), __fdiv_rn(v[1], sums[h][1])));
        u32 high = transpose_matrix(floats_to_bf16x2(__fdiv_rn(v[2], sums[h][0]), __fdiv_rn(v[3], sums[h][1])));
        if (head < a.group) {
          *(u32*)(output + 16 * d) = low;
          *(u32*)(output + 16 * d + 8) = high;
        }
      }
    }
  }

  __device__ __forceinline__ void run() {
#pragma unroll
    for (i32 h = 0; h < Shape::HeadTiles; h++) {
      sums[h][0] = sums[h][1] = sums[h][2] = sums[h][3] = 0.0f;
#pragma unroll
      for (i32 d = 0; d < Shape::DimTiles; d++) values[d][h][0] = values[d][h][1] = values[d][h][2] = values[d][h][3] = 0.0f;
    }
    wait_for_previous_kernel();
    i32 last = (w.blocks - 1) / Shape::Warps;
    for (i32 chunk = 0; chunk <= last; chunk++) {
      barrier_wait(this->shared(Shape::FullWeights + chunk % 2 * 8), chunk / 2 & 1);
      accumulate(chunk, min(w.blocks - chunk * Shape::Warps, Shape::Warps));
      if (chunk < last) this->arrive(Shape::EmptyWeights + chunk % 2 * 8);
    }
    if (w.sequence.first_slot >= 0) {
      if (!leave(last % 2)) return;
      merge();
    }
    store();
  }
};

// ---- Kernel --------------------------------------------------------------------------------------------------------

// One tile and KV head a block; those past the last end at once.
template <class Shape>
__device__ __forceinline__ void decode_kernel(const AttentionArguments& a, u8* memory) {
  if ((i32)blockIdx.x >= *a.tile_count * a.kv_heads) {
    wait_for_previous_kernel();
    let_next_kernel_start();
    return;
  }
  DecodeWork w = decode_work<Shape>(a, blockIdx.x);
  u32 shared = shared_address(memory);
  if (threadIdx.x == 0) {
    for (i32 i = 0; i < Shape::Warps * Shape::KeyStages; i++) barrier_init(shared + Shape::FullKeys + i * 8, 1);
    for (i32 i = 0; i < Shape::ValueStages; i++) {
      barrier_init(shared + Shape::FullValues + i * 8, 1);
      barrier_init(shared + Shape::EmptyValues + i * 8, Shape::Warps);
    }
    for (i32 i = 0; i < 2; i++) {
      barrier_init(shared + Shape::FullWeights + i * 8, Shape::Warps);
      barrier_init(shared + Shape::EmptyWeights + i * 8, Shape::Warps);
    }
    barrier_init_fence();
  }
  __syncthreads();
  i32 warp = __shfl_sync(0xFFFFFFFFu, threadIdx.x / 32, 0);
  if (warp < Shape::Warps) {
    DecodeScores<Shape> scores = {{a, w, memory, warp}};
    scores.run();
  } else if (warp < 2 * Shape::Warps) {
    DecodeValues<Shape> values = {{a, w, memory, warp - Shape::Warps}};
    values.run();
  } else {
    decode_bring_values<Shape>({a, w, memory, 0});
  }
}
