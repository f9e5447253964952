// Where packed weights lie. This file is the only place in the kernels that knows both the tiles and which row goes where.
//
//   Tiles:   [rows / 64][K / 64][k / 16][8x8 core matrices of 64 x 16]; K is padded with zeros to a multiple of 64. One 64x64
//            chunk is 8 KiB in a row, in wgmma's own shared-memory image without swizzle, so that one bulk copy fetches any
//            number of consecutive chunks of a tile. Inside a k16 step the core matrix of rows 8g..8g+7 and k half h lies at
//            (2g + h) * 128 bytes, its rows 16 bytes apart.
//   Rows:    row r of the source becomes row first + (r / 8) * group + r % 8 of the tiles. group = 8 stacks matrices (q, k and
//            v); group = 16 interleaves two in groups of eight rows (gate with first = 0, up with first = 8), so that one
//            thread of a wgmma holds a gate and its up.
//   Pieces:  eight consecutive k of a row, 16 bytes; piece p holds k = 8p .. 8p + 7.
#pragma once
#include "numerics.cuh"

constexpr u32 TILE_CHUNK = 64;
constexpr u32 TILE_PIECE = 8;
constexpr u32 CHUNK_PIECES = TILE_CHUNK / TILE_PIECE;

// Chunks of a row of `width` elements.
__device__ __forceinline__ u32 packed_chunks(u32 width) { return (width + TILE_CHUNK - 1) / TILE_CHUNK; }

// Row of the tiles that row r of a source becomes.
__device__ __forceinline__ u32 packed_row(u32 r, u32 first, u32 group) { return first + r / 8 * group + r % 8; }

// Element of the tiles at which a piece of a row (of the tiles) begins.
__device__ __forceinline__ u64 packed_piece(u32 row, u32 piece, u32 chunks) {
  u32 tile = row / TILE_CHUNK, in_tile = row % TILE_CHUNK;
  u32 chunk = piece / CHUNK_PIECES, step = piece % CHUNK_PIECES / 2, half = piece % 2;
  return ((u64)tile * chunks + chunk) * (TILE_CHUNK * TILE_CHUNK) + step * (TILE_CHUNK * 16) + (in_tile / 8 * 2 + half) * 64 +
         in_tile % 8 * 8;
}
