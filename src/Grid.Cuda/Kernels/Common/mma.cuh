// mma.sync.m16n8k16, bf16 in, fp32 accumulators: the contract's Dot16 for 16 x 8 elements at once, by one warp. Of every operand, lane l
// holds (with g = l / 4, q = 2 * (l % 4))
//   a[0] row g,     k q, q + 1       a[1] row g + 8, the same k    a[2], a[3] the same rows, k + 8
//   b[0] column g,  k q, q + 1       b[1] the same column, k + 8
//   d[0], d[1] row g, columns q, q + 1                             d[2], d[3] row g + 8, the same columns.
#pragma once

#include "numerics.cuh"

// d = Dot16(d, a, b)
__device__ __forceinline__ void mma(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  asm volatile(
    "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
    : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
    : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Four matrices of 8 x 8 bf16 from shared memory; lane l gives the address of row l % 8 of matrix l / 8, 16 bytes. x[i] is row g,
// columns q and q + 1 of matrix i.
__device__ __forceinline__ void load_matrices(u32 (&x)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
               : "r"(address)
               : "memory");
}

// The same, transposed: x[i] is rows q and q + 1, column g of matrix i.
__device__ __forceinline__ void load_matrices_transposed(u32 (&x)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
               : "r"(address)
               : "memory");
}

// Two of them: lanes 0 to 15 give the addresses.
__device__ __forceinline__ void load_matrices(u32 (&x)[2], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(x[0]), "=r"(x[1]) : "r"(address) : "memory");
}

// The way back of load_matrices_transposed, for two: lanes 0 to 15 give the addresses.
__device__ __forceinline__ void store_matrices_transposed(u32 address, u32 first, u32 second) {
  asm volatile("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%0], {%1,%2};" ::"r"(address), "r"(first), "r"(second) : "memory");
}

// A matrix of 8 x 8 bf16 that the warp holds as row g, columns q and q + 1, transposed.
__device__ __forceinline__ u32 transpose_matrix(u32 x) {
  u32 y;
  asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(y) : "r"(x));
  return y;
}
