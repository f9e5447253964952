// Zeros over whole pages of a KV cache, in every layer: a page that is used again must hold zeros where nobody has written, because
// attention multiplies unused slots by 0.
//
//   cache[layer][pages[i]] = 0
//
// Shapes:  cache [layers][page] of page_bytes each, a multiple of 16, layer_bytes from layer to layer; pages [count] 32-bit
//          integers, each a page of the cache: the caller checks them. A page may be named twice.
// Threads: x: page by page, a block for every SLICE bytes of a page; y: layers. A thread stores 16 bytes at a time.
// Order:   no arithmetic, so none.
// May vary: nothing.
#include "launch.cuh"
#include "numerics.cuh"

struct ClearPagesArguments {
  u8* cache;
  const u32* pages;
  u64 page_bytes;
  u64 layer_bytes;
};

// Definition: SLICE, bytes of a page that one block clears.
extern "C" __global__ void __launch_bounds__(256) clear_pages(const __grid_constant__ ClearPagesArguments a) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  u32 slices = (u32)((a.page_bytes + SLICE - 1) / SLICE);
  u64 page = a.pages[blockIdx.x / slices];
  u64 first = (u64)(blockIdx.x % slices) * SLICE, end = min(first + SLICE, a.page_bytes);
  u8* target = a.cache + blockIdx.y * a.layer_bytes + page * a.page_bytes;
  for (u64 at = first + threadIdx.x * 16; at < end; at += blockDim.x * 16) *(uint4*)(target + at) = make_uint4(0, 0, 0, 0);
}
