// Where packed weights lie. This file is the only place in the kernels that knows both that and which row goes where.
//
//   Layout:  [K / 64][rows][64 k] bf16, chunk after chunk of 64 k; K is padded with zeros to a multiple of 64, rows to a multiple
//            of 64. Inside a row of a chunk, 128 bytes, piece p of eight k lies at place p ^ (row % 8): the image that 128-byte
//            swizzled operands have in shared memory, so that one bulk copy fetches any range of a chunk's rows that begins at a
//            multiple of eight, and one packing serves tiles of any height.
//   Rows:    row r of the source becomes row first + (r / 8) * group + r % 8. group = 8 stacks matrices (q, k and v); group = 16
//            interleaves two in groups of eight rows (gate with first = 0, up with first = 8), so that one thread of a wgmma
//            holds a gate and its up.
//   Pieces:  eight consecutive k of a row, 16 bytes; piece p of a row holds k = 8p .. 8p + 7.
#pragma once
#include "numerics.cuh"

constexpr u32 WEIGHT_CHUNK = 64;
constexpr u32 WEIGHT_PIECE = 8;
constexpr u32 CHUNK_PIECES = WEIGHT_CHUNK / WEIGHT_PIECE;
constexpr u32 WEIGHT_ROW_BYTES = WEIGHT_CHUNK * 2; // of a chunk

// Chunks of a row of `width` elements.
__device__ __forceinline__ u32 packed_chunks(u32 width) { return (width + WEIGHT_CHUNK - 1) / WEIGHT_CHUNK; }

// Packed row that row r of a source becomes.
__device__ __forceinline__ u32 packed_row(u32 r, u32 first, u32 group) { return first + r / 8 * group + r % 8; }

// Element at which a piece of a packed row begins; rows: those of the whole packed matrix.
__device__ __forceinline__ u64 packed_piece(u32 row, u32 piece, u32 rows) {
  return ((u64)(piece / CHUNK_PIECES) * rows + row) * WEIGHT_CHUNK + (piece % CHUNK_PIECES ^ row % 8) * WEIGHT_PIECE;
}
