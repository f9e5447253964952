// Arguments and compile-time shape of the attention kernels; what they compute and how is in attention.cu.
#pragma once

#include "numerics.cuh"

// Queries of one sequence in the step.
struct AttentionSequence {
  int first_token; // its row in queries and output
  int tokens;      // consecutive tokens
  int position;    // absolute position of the first
  int first_slot;  // decode: where the partial results of its segments begin
};

// 64 * Warpgroups rows of a sequence from first_row on, for every KV head. Decode: one segment of segments.
struct AttentionTile {
  int sequence;
  int first_row;
  int segment;
  int segments;
};

struct AttentionArguments {
  const u16* queries;                 // [token][query_stride], head h at column h * HeadDim
  u16* output;                        // [token][output_stride]
  const u8* pages;                    // the layer's pages: [page][KV head][key image, value image]
  const int* page_table;              // [sequence][page_table_stride]
  const AttentionSequence* sequences; // by tile.sequence
  const AttentionTile* tiles;
  const int* tile_count; // tiles in use; the grid may be larger
  float* partial_values; // [slot][KV head][group][HeadDim], slot = first_slot + segment
  float2* partial_state; // [slot][KV head][group]: (M, L)
  i64 page_stride; // bytes from page to page
  int query_stride;
  int output_stride;
  int page_table_stride;
  int group; // query heads per KV head
  int kv_heads;
  float c; // scale * log2(e)
};

constexpr int PageTokens = 64;
constexpr int WarpgroupRows = 64;
constexpr int OnesBytes = 256;

// HeadDim: elements of a head. T, Segment: the contract's cuts. Warpgroups: of 64 rows each. Stages: of the ring. Decode: one
// segment a tile, one query token of at most 8 heads per KV head.
template <int HeadDim_, int T_, int Segment_, int Warpgroups_, int Stages_, bool Decode_>
struct AttentionShape {
  static constexpr int HeadDim = HeadDim_;
  static constexpr int T = T_;
  static constexpr int Segment = Segment_;
  static constexpr int Warpgroups = Warpgroups_;
  static constexpr int Stages = Stages_;
  static constexpr bool Decode = Decode_;

  static constexpr int ImageBytes = PageTokens * HeadDim * 2; // keys or values of a page and head
  static constexpr int BlockBytes = T * HeadDim * 2;
  static constexpr int EightBytes = HeadDim * 16; // eight tokens of an image

  // Shared memory: queries (prefill), rings of keys and values, merged segments (prefill), ones, barriers.
  static constexpr int QueryBytes = WarpgroupRows * HeadDim * 2;
  static constexpr int Keys = Decode ? 0 : Warpgroups * QueryBytes;
  static constexpr int Values = Keys + Stages * BlockBytes;
  static constexpr int Merged = Values + Stages * BlockBytes;
  static constexpr int State = Merged + (Decode ? 0 : Warpgroups * WarpgroupRows * HeadDim * 4);
  static constexpr int Ones = State + (Decode ? 0 : Warpgroups * WarpgroupRows * 8);
  static constexpr int FullKeys = Ones + OnesBytes;
  static constexpr int FullValues = FullKeys + Stages * 8;
  static constexpr int EmptyKeys = FullValues + Stages * 8;
  static constexpr int EmptyValues = EmptyKeys + Stages * 8;
  static constexpr int SharedBytes = EmptyValues + Stages * 8;

  // Prefill has a producer warpgroup; in decode a warp without rows is the producer.
  static constexpr int Threads = (Decode ? 1 : Warpgroups + 1) * 128;

  static_assert(Segment % T == 0 && T % PageTokens == 0 && HeadDim % 16 == 0, "cuts");
  static_assert(!Decode || (Warpgroups == 1 && Segment <= 32 * PageTokens), "decode: one warpgroup, one warp of page ids");
};
