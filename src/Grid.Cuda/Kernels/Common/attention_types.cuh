// Arguments and compile-time shape of the attention kernels; what they compute and how is in attention.cu.
#pragma once

#include "numerics.cuh"

// Queries of one sequence in the step: `tokens` consecutive ones.
struct alignas(16) AttentionSequence {
  i32 first_token; // its row in queries and output
  i32 tokens;
  i32 position;   // absolute position of the first
  i32 first_slot; // decode over several segments: where their partial results begin; else below 0
};

// 64 * Warpgroups rows of a sequence from first_row on, for every KV head; decode: its row block 0 and one segment.
struct alignas(16) AttentionTile {
  i32 sequence;
  i32 first_row;
  i32 segment;
  i32 unused;
};

struct AttentionArguments {
  const u16* queries;                 // [token][query_stride], head h at column h * HeadDim
  u16* output;                        // [token][output_stride], likewise
  const u8* pages;                    // the layer's pages: [page][KV head][key image, value image]
  const i32* page_table;              // [sequence][page_table_stride]
  const AttentionSequence* sequences; // by tile.sequence
  const AttentionTile* tiles;
  const i32* tile_count; // tiles in use; the grid may be larger
  float* partial_values; // [slot][KV head][group][HeadDim], slot = first_slot + segment; the kernels for few tiles as their threads hold it
  float2* partial_state; // [slot][KV head][group]: (M, L); likewise
  i32* arrivals;         // [first_slot][KV head]: tiles that have left partial results; those kernels, which leave 0
  i64 page_stride;       // bytes from page to page
  i32 query_stride;
  i32 output_stride;
  i32 page_table_stride;
  i32 group; // query heads per KV head
  i32 kv_heads;
  float c; // scale * log2(e)
};

constexpr i32 PageTokens = 64;
constexpr i32 WarpgroupRows = 64;
constexpr i32 OnesBytes = 256;

// HeadDim: elements of a head. T, Segment: the contract's cuts. Warpgroups: of 64 rows each. Stages: of the ring. Decode: one segment a
// tile, one query token of at most eight heads per KV head, so that a thread holds one row instead of two; else prefill.
template <int HeadDim_, int T_, int Segment_, int Warpgroups_, int Stages_, bool Decode_>
struct AttentionShape {
  static constexpr i32 HeadDim = HeadDim_;
  static constexpr i32 T = T_;
  static constexpr i32 Segment = Segment_;
  static constexpr i32 Warpgroups = Warpgroups_;
  static constexpr i32 Stages = Stages_;
  static constexpr bool Decode = Decode_;

  static constexpr i32 ImageBytes = PageTokens * HeadDim * 2; // keys or values of a page and head
  static constexpr i32 BlockBytes = T * HeadDim * 2;
  static constexpr i32 EightBytes = HeadDim * 16; // eight tokens of an image

  // Shared memory: queries (prefill), rings of keys and values, merged segments (prefill), ones, barriers.
  static constexpr i32 QueryBytes = WarpgroupRows * HeadDim * 2;
  static constexpr i32 Keys = Decode ? 0 : Warpgroups * QueryBytes;
  static constexpr i32 Values = Keys + Stages * BlockBytes;
  static constexpr i32 Merged = Values + Stages * BlockBytes;
  static constexpr i32 State = Merged + (Decode ? 0 : Warpgroups * WarpgroupRows * HeadDim * 4);
  static constexpr i32 Ones = State + (Decode ? 0 : Warpgroups * WarpgroupRows * 8);
  static constexpr i32 FullKeys = Ones + OnesBytes;
  static constexpr i32 FullValues = FullKeys + Stages * 8;
  static constexpr i32 EmptyKeys = FullValues + Stages * 8;
  static constexpr i32 EmptyValues = EmptyKeys + Stages * 8;
  static constexpr i32 SharedBytes = EmptyValues + Stages * 8;

  // Prefill has a producer warpgroup; in decode a warp without rows is the producer.
  static constexpr i32 Threads = (Decode ? 1 : Warpgroups + 1) * 128;

  static_assert(Segment % T == 0 && T % PageTokens == 0 && HeadDim % 16 == 0, "cuts");
  static_assert(!Decode || (Warpgroups == 1 && Segment <= 32 * PageTokens), "decode: one warpgroup, one warp of page ids");
};
