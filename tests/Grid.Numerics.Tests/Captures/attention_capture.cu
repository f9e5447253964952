// Captures known answers of the attention kernels on a Hopper GPU, for AttentionCaptureTests.cs.
//
//   nvcc -O3 -std=c++20 -gencode=arch=compute_90a,code=sm_90a --fmad=false -DHEAD_DIM=128 \
//     -I ../../../src/Grid.Cuda/Kernels/Common attention_capture.cu -o capture
//   ./capture attention_outputs_128.bin            (and with 64)
//
// Every case runs as one prefill, as chunks of many lengths, and every position as a decode of its own, over pages in any
// order; the program stops if one bit differs between them. It writes, little-endian, per case, for the positions listed and
// the first and the last query head: the bf16 output row, then, where decode had several segments, the fp32 state of the first:
// L and O. The inputs are not stored: AttentionCases.cs repeats the generator.
#define BLOCK_TOKENS 64
#define SEGMENT_TOKENS 1024
#define PREFILL_SHARED PrefillShape::SharedBytes
#define DECODE_SHARED DecodeShape::SharedBytes
#include "../../../src/Grid.Cuda/Kernels/Attention/Attention.cu"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

static void check(cudaError_t error) {
  if (error == cudaSuccess) return;
  printf("%s\n", cudaGetErrorString(error));
  exit(1);
}

// ---- Inputs: the same functions stand in AttentionCases.cs -----------------------------------------------------------

static u64 mix(u64 x) { // splitmix64's finaliser
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

enum Kind { Bell, Large, Wide, Sparse }; // bell-like, 8 times larger, exponents +-30, half of them zero

// A sum of four uniform numbers, exact in integers, rounded to bf16.
static u16 element(u64 stream, u64 index, Kind kind) {
  u64 h = mix(mix(stream) + index);
  int s = (int)(h & 65535) + (int)((h >> 16) & 65535) + (int)((h >> 32) & 65535) + (int)(h >> 48) - 131070;
  if (s == 0 || (kind == Sparse && (mix(h) & 1))) return 0;
  float x = (float)s * 0x1p-15f; // exact
  u32 bits;
  memcpy(&bits, &x, 4);
  bits = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  if (kind == Large) bits += 3 << 7;
  if (kind == Wide) bits += ((int)(mix(h + 1) % 61) - 30) * 128;
  return (u16)bits;
}

struct Case {
  int kv_heads, group, tokens;
  Kind queries, keys, values;
  float scale;
};

static const Case Cases[] = {
    {2, 4, 2600, Bell, Bell, Bell, 0.08838834764f},
    {1, 8, 2100, Large, Large, Bell, 0.04419417382f}, // scores far apart: weights of zero, changing maxima
    {1, 7, 1300, Sparse, Bell, Wide, 1.0f},
    {3, 1, 1100, Sparse, Sparse, Sparse, 0.125f},
};
static const int Positions[] = {0, 1, 63, 64, 65, 511, 1023, 1024, 1087, 2047, 2048, 2599};

// ---- Runs ------------------------------------------------------------------------------------------------------------

template <class T>
static T* upload(const std::vector<T>& v) {
  T* p;
  check(cudaMalloc(&p, v.size() * sizeof(T) + 16));
  check(cudaMemcpy(p, v.data(), v.size() * sizeof(T), cudaMemcpyHostToDevice));
  return p;
}

static std::vector<u16> run(
    AttentionArguments a, const std::vector<AttentionSequence>& sequences, const std::vector<int>& pages, bool decode, int tokens) {
  std::vector<AttentionTile> tiles;
  std::vector<int> table;
  for (int i = 0; i < (int)sequences.size(); i++) {
    table.insert(table.end(), pages.begin(), pages.end());
    if (decode) {
      for (int s = 0; s <= sequences[i].position / SEGMENT_TOKENS; s++) tiles.push_back({i, 0, s, 0});
    } else {
      for (int r = 0; r < sequences[i].tokens * a.group; r += PrefillShape::Warpgroups * WarpgroupRows) tiles.push_back({i, r, 0, 0});
    }
  }
  a.sequences = upload(sequences);
  a.tiles = upload(tiles);
  a.tile_count = upload(std::vector<int>{(int)tiles.size()});
  a.page_table = upload(table);
  a.page_table_stride = (int)pages.size();
  std::vector<u16> output((size_t)tokens * a.output_stride, 0xFFFF);
  a.output = upload(output);
  if (decode) {
    attention_decode<<<(tiles.size() + 3) * a.kv_heads, DecodeShape::Threads, DecodeShape::SharedBytes>>>(a);
    attention_merge<<<dim3(sequences.size(), (a.output_stride + 511) / 512), 128>>>(a);
  } else {
    attention_prefill<<<(tiles.size() + 3) * a.kv_heads, PrefillShape::Threads, PrefillShape::SharedBytes>>>(a);
  }
  check(cudaGetLastError());
  check(cudaDeviceSynchronize());
  check(cudaMemcpy(output.data(), a.output, output.size() * 2, cudaMemcpyDeviceToHost));
  return output;
}

static void require_equal(const std::vector<u16>& expected, const std::vector<u16>& actual, const char* what) {
  for (size_t i = 0; i < expected.size(); i++) {
    if (expected[i] != actual[i]) {
      printf("%s differs first at %zu: %04x and %04x\n", what, i, expected[i], actual[i]);
      exit(1);
    }
  }
}

static void capture(const Case& c, FILE* file) {
  int heads = c.kv_heads * c.group, stride = (heads + 2 * c.kv_heads) * HEAD_DIM, pages = (c.tokens + PageTokens - 1) / PageTokens;
  std::vector<u16> queries((size_t)c.tokens * stride);
  for (int t = 0; t < c.tokens; t++) {
    for (int i = 0; i < heads * HEAD_DIM; i++) queries[(size_t)t * stride + i] = element(1, (u64)t * heads * HEAD_DIM + i, c.queries);
  }
  std::vector<int> table(pages);
  for (int i = 0; i < pages; i++) table[i] = pages - i; // page 0 is nobody's
  size_t image = PageTokens * HEAD_DIM, page = 2 * image * c.kv_heads;
  std::vector<u16> cache((pages + 1) * page, 0);
  for (int h = 0; h < c.kv_heads; h++) {
    for (int t = 0; t < c.tokens; t++) {
      for (int d = 0; d < HEAD_DIM; d++) {
        size_t at = table[t / PageTokens] * page + 2 * image * h + (t % PageTokens / 8) * HEAD_DIM * 8 + d / 8 * 64 + t % 8 * 8 + d % 8;
        u64 index = ((u64)h * c.tokens + t) * HEAD_DIM + d;
        cache[at] = element(2, index, c.keys);
        cache[at + image] = element(3, index, c.values);
      }
    }
  }
  AttentionArguments a = {};
  a.queries = upload(queries);
  a.pages = (const u8*)upload(cache);
  a.page_stride = page * 2;
  a.query_stride = stride;
  a.output_stride = heads * HEAD_DIM;
  a.group = c.group;
  a.kv_heads = c.kv_heads;
  a.c = c.scale * 1.44269504f;

  std::vector<AttentionSequence> whole = {{0, c.tokens, 0, -1}}, chunks, singles;
  const int lengths[] = {1, 7, 64, 100, 3, 200, 63, 65, 128, 1, 1, 333};
  for (int at = 0, i = 0; at < c.tokens; i++) {
    int n = c.tokens - at < lengths[i % 12] ? c.tokens - at : lengths[i % 12];
    chunks.push_back({at, n, at, -1});
    at += n;
  }
  int slots = 0;
  for (int t = 0; t < c.tokens; t++) {
    singles.push_back({t, 1, t, t < SEGMENT_TOKENS ? -1 : slots});
    slots += t < SEGMENT_TOKENS ? 0 : t / SEGMENT_TOKENS + 1;
  }
  a.partial_values = upload(std::vector<float>((size_t)slots * heads * HEAD_DIM, NAN));
  a.partial_state = upload(std::vector<float2>((size_t)slots * heads, make_float2(NAN, NAN)));

  std::vector<u16> expected = run(a, whole, table, false, c.tokens);
  require_equal(expected, run(a, chunks, table, false, c.tokens), "chunked prefill");
  require_equal(expected, run(a, singles, table, true, c.tokens), "decode");
  std::vector<float> values((size_t)slots * heads * HEAD_DIM);
  std::vector<float2> states((size_t)slots * heads);
  check(cudaMemcpy(values.data(), a.partial_values, values.size() * sizeof(float), cudaMemcpyDeviceToHost));
  check(cudaMemcpy(states.data(), a.partial_state, states.size() * sizeof(float2), cudaMemcpyDeviceToHost));
  for (int position : Positions) {
    for (int head = 0; head < heads && position < c.tokens; head += heads > 1 ? heads - 1 : 1) {
      fwrite(&expected[((size_t)position * heads + head) * HEAD_DIM], 2, HEAD_DIM, file);
      if (position < SEGMENT_TOKENS) continue;
      size_t row = (size_t)singles[position].first_slot * heads + head;
      fwrite(&states[row].y, 4, 1, file);
      fwrite(&values[row * HEAD_DIM], 4, HEAD_DIM, file);
    }
  }
  printf("%d KV heads of %d: %zu outputs equal in prefill, chunks and decode\n", c.kv_heads, c.group, expected.size());
}

int main(int argc, char** argv) {
  check(cudaFuncSetAttribute(attention_prefill, cudaFuncAttributeMaxDynamicSharedMemorySize, PrefillShape::SharedBytes));
  check(cudaFuncSetAttribute(attention_decode, cudaFuncAttributeMaxDynamicSharedMemorySize, DecodeShape::SharedBytes));
  FILE* file = fopen(argc > 1 ? argv[1] : "attention_outputs.bin", "wb");
  for (const Case& c : Cases) capture(c, file);
  return fclose(file);
}
