// Captures known answers of the Hopper tensor core for Dot16 chains.
//
//   nvcc -O3 -std=c++17 -gencode=arch=compute_90a,code=sm_90a dot16_capture.cu -o dot16_capture && ./dot16_capture dot16_outputs.bin
//
// Computes out[r][c] = chain over k of A[r][k] * B[c][k] with wgmma.m64n8k16 and with mma.sync.m16n8k16, stops if the two
// differ in one bit, and writes the fp32 outputs, little-endian, case after case, row-major. The inputs are not
// stored: they come from a counter-based integer generator that Dot16Cases.cs repeats.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#define CHECK(call) do { cudaError_t e = (call); if (e != cudaSuccess) { printf("%s: %s\n", #call, cudaGetErrorString(e)); exit(1); } } while (0)

// ---- Inputs: the same function stands in Dot16Cases.cs ------------------------------------------------------------

static uint64_t mix(uint64_t x) // splitmix64's finaliser
{
    x += 0x9E3779B97F4A7C15ull;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

static uint16_t make(uint64_t h, int exponent) // sign and fraction from h
{
    return (uint16_t)(((h & 1) << 15) | ((uint64_t)exponent << 7) | ((h >> 1) & 127));
}

static uint16_t small_integer(int v) // -8..8, exact
{
    float f = (float)v;
    uint32_t u;
    memcpy(&u, &f, 4);
    return (uint16_t)(u >> 16);
}

static int spread(uint64_t h, int width) // uniform in [-width, width]
{
    return (int)((h >> 16) % (2 * width + 1)) - width;
}

static uint16_t element(int mode, int operand, int row, int k, int columns)
{
    uint64_t h = mix(((uint64_t)mode << 48) ^ ((uint64_t)operand << 44) ^ ((uint64_t)row << 24) ^ (uint64_t)k);
    uint64_t pick = h >> 40;
    switch (mode)
    {
        case 0: { int e = 127; while (e > 110 && ((h >> (127 - e + 8)) & 1)) e--; return make(h, e); } // bell-like
        case 1: return make(h, 127 + spread(h, 20));
        case 2: return make(h, 127 + spread(h, 54));
        case 3: // pairs that cancel, exactly or but for the last bit
        {
            uint64_t p = mix(((uint64_t)mode << 48) ^ ((uint64_t)operand << 44) ^ ((uint64_t)row << 24) ^ (uint64_t)(k & ~1));
            uint16_t v = make(p, 127 + spread(p, 6));
            if (operand == 1 && (k & 1)) v ^= (uint16_t)(0x8000 | ((p >> 50) % 8 == 0 ? 1 : 0));
            return v;
        }
        case 4: // zeros of both signs, subnormals, normals
            return pick % 4 == 0 ? 0 : pick % 4 == 1 ? 0x8000 : pick % 4 == 2 ? make(h, 0) : make(h, 127 + spread(h, 3));
        case 5: return (k / 16) % 3 == 0 ? make(h, 127 + spread(h, 4)) : 0;
        case 6: return small_integer((int)(pick % 17) - 8);
        case 7: return pick % 10 ? 0 : make(h, 127 + spread(h, 54));
        case 8: return pick % 100 < 97 ? (uint16_t)((h & 1) << 15) : make(h, 127 + spread(h, 54));
        case 9: return operand == 1 && k >= 16 ? (uint16_t)((h & 1) << 15) : make(h, 52 + spread(h, 2)); // zeros after a tiny sum
        case 10: return make(h, 55 + spread(h, 6));                                                      // subnormal results
        case 11: return pick % 4 ? 0 : make(h, 61 + spread(h, 4));
        case 12: return pick % 2 ? (pick % 6 == 1 ? make(h, 0) : make(h, 1 + (int)((h >> 16) % 6))) : make(h, 127 + spread(h, 8));
        case 13: return pick % 5 == 0 ? 0 : make(h, (pick & 8) ? 66 + spread(h, 54) : 127 + spread(h, 54));
        case 14: return make(h, pick % 100 == 0 ? 137 : 127 + spread(h, 2)); // outliers
        default: return make(h, 127 + spread(h, 12) - (k * 24) / columns);   // falling along K: late terms truncated away
    }
}

static const int Modes = 16;
static const struct { int k, rows, columns; } Shapes[] = { { 16, 64, 64 }, { 32, 64, 64 }, { 256, 32, 64 }, { 2048, 16, 32 }, { 12288, 8, 32 } };

// ---- Tensor cores -------------------------------------------------------------------------------------------------

__device__ uint64_t descriptor(const void* p) // no swizzle; 8x8 core matrices: 128 bytes along K, 256 along rows
{
    uint32_t a = (uint32_t)__cvta_generic_to_shared(p);
    return (uint64_t)((a & 0x3FFFF) >> 4) | ((uint64_t)(128 >> 4) << 16) | ((uint64_t)(256 >> 4) << 32);
}

// One warpgroup, 64 rows x 8 columns.
__global__ void wgmma_chain(const uint16_t* a, const uint16_t* b, float* out, int k, int columns)
{
    __shared__ __align__(128) uint16_t sa[64 * 16];
    __shared__ __align__(128) uint16_t sb[8 * 16];
    int t = threadIdx.x, c0 = blockIdx.x * 8;
    float d[4] = { 0, 0, 0, 0 };
    for (int k0 = 0; k0 < k; k0 += 16)
    {
        __syncthreads();
        for (int i = t; i < 64 * 16; i += 128) { int r = i / 16, c = i % 16; sa[((r / 8) * 2 + c / 8) * 64 + (r % 8) * 8 + c % 8] = a[(size_t)r * k + k0 + c]; }
        for (int i = t; i < 8 * 16; i += 128) { int r = i / 16, c = i % 16; sb[((r / 8) * 2 + c / 8) * 64 + (r % 8) * 8 + c % 8] = b[(size_t)(c0 + r) * k + k0 + c]; }
        asm volatile("fence.proxy.async;" ::: "memory");
        __syncthreads();
        asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
        asm volatile("wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0,%1,%2,%3}, %4, %5, 1, 1, 1, 0, 0;"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "l"(descriptor(sa)), "l"(descriptor(sb)));
        asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
        asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
    }
    int w = t / 32, l = t % 32, r = w * 16 + l / 4, c = c0 + 2 * (l % 4);
    out[(size_t)r * columns + c] = d[0];
    out[(size_t)r * columns + c + 1] = d[1];
    out[(size_t)(r + 8) * columns + c] = d[2];
    out[(size_t)(r + 8) * columns + c + 1] = d[3];
}

// One warp, 16 rows x 8 columns.
__global__ void mma_chain(const uint16_t* a, const uint16_t* b, float* out, int k, int columns)
{
    int l = threadIdx.x, g = l / 4, q = l % 4;
    const uint16_t* ra = a + (size_t)blockIdx.y * 16 * k;
    const uint16_t* rb = b + (size_t)blockIdx.x * 8 * k;
    float d[4] = { 0, 0, 0, 0 };
    auto pair = [](const uint16_t* p) { return *(const uint32_t*)p; };
    for (int k0 = 0; k0 < k; k0 += 16)
    {
        uint32_t a0 = pair(ra + (size_t)g * k + k0 + 2 * q), a1 = pair(ra + (size_t)(g + 8) * k + k0 + 2 * q);
        uint32_t a2 = pair(ra + (size_t)g * k + k0 + 8 + 2 * q), a3 = pair(ra + (size_t)(g + 8) * k + k0 + 8 + 2 * q);
        uint32_t b0 = pair(rb + (size_t)g * k + k0 + 2 * q), b1 = pair(rb + (size_t)g * k + k0 + 8 + 2 * q);
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
    }
    int r = blockIdx.y * 16 + g, c = blockIdx.x * 8 + 2 * q;
    out[(size_t)r * columns + c] = d[0];
    out[(size_t)r * columns + c + 1] = d[1];
    out[(size_t)(r + 8) * columns + c] = d[2];
    out[(size_t)(r + 8) * columns + c + 1] = d[3];
}

int main(int argc, char** argv)
{
    FILE* file = fopen(argc > 1 ? argv[1] : "dot16_outputs.bin", "wb");
    cudaDeviceProp device;
    CHECK(cudaGetDeviceProperties(&device, 0));
    int driver, runtime;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    printf("%s, CUDA driver %d, runtime %d\n", device.name, driver, runtime);
    size_t total = 0, different = 0, special = 0;
    for (int mode = 0; mode < Modes; mode++)
        for (auto shape : Shapes)
        {
            const int M = 64;
            std::vector<uint16_t> a((size_t)M * shape.k), b((size_t)shape.columns * shape.k);
            for (int r = 0; r < M; r++) for (int k = 0; k < shape.k; k++) a[(size_t)r * shape.k + k] = element(mode, 0, r, k, shape.k);
            for (int c = 0; c < shape.columns; c++) for (int k = 0; k < shape.k; k++) b[(size_t)c * shape.k + k] = element(mode, 1, c, k, shape.k);
            uint16_t *da, *db;
            float* out;
            size_t bytes = (size_t)M * shape.columns * 4;
            CHECK(cudaMalloc(&da, a.size() * 2));
            CHECK(cudaMalloc(&db, b.size() * 2));
            CHECK(cudaMalloc(&out, bytes));
            CHECK(cudaMemcpy(da, a.data(), a.size() * 2, cudaMemcpyHostToDevice));
            CHECK(cudaMemcpy(db, b.data(), b.size() * 2, cudaMemcpyHostToDevice));
            std::vector<float> x((size_t)M * shape.columns), y(x.size());
            CHECK(cudaMemset(out, 0xFF, bytes));
            wgmma_chain<<<shape.columns / 8, 128>>>(da, db, out, shape.k, shape.columns);
            CHECK(cudaDeviceSynchronize());
            CHECK(cudaMemcpy(x.data(), out, bytes, cudaMemcpyDeviceToHost));
            CHECK(cudaMemset(out, 0xFF, bytes));
            mma_chain<<<dim3(shape.columns / 8, 4), 32>>>(da, db, out, shape.k, shape.columns);
            CHECK(cudaDeviceSynchronize());
            CHECK(cudaMemcpy(y.data(), out, bytes, cudaMemcpyDeviceToHost));
            size_t n = (size_t)shape.rows * shape.columns, zeros = 0, subnormal = 0;
            for (size_t i = 0; i < n; i++)
            {
                uint32_t u;
                memcpy(&u, &x[i], 4);
                different += memcmp(&x[i], &y[i], 4) != 0;
                special += (u & 0x7F800000) == 0x7F800000;
                zeros += (u & 0x7FFFFFFF) == 0;
                subnormal += (u & 0x7F800000) == 0 && (u & 0x7FFFFF);
            }
            fwrite(x.data(), 4, n, file);
            total += n;
            printf("mode %2d K %5d: %5zu outputs, %zu zero, %zu subnormal\n", mode, shape.k, n, zeros, subnormal);
            cudaFree(da);
            cudaFree(db);
            cudaFree(out);
        }
    fclose(file);
    printf("%zu outputs; wgmma and mma.sync differ in %zu; non-finite %zu\n", total, different, special);
    return different || special;
}
