// Captures where bf16(ex2.approx.ftz(t)) steps, for Exp2Bf16.
//
//   nvcc -O3 -std=c++17 -gencode=arch=compute_90a,code=sm_90a exp2_thresholds_capture.cu -o capture && ./capture
//
// Scans every float t in [-126, 128), negative and positive apart. With n = the integer nearest t (ties to even) and
// r = t - n in [-0.5, 0.5] (exact), the result is n * 128 + 0x3F00 + code(r) as bf16 bits. If code is a step function
// of r alone, the same for every n, then 128 thresholds a sign say everything: T[g] is the least r whose code exceeds
// g, g = 53 .. 180. Prints them as the fp32 bits that Exp2Bf16Thresholds.cs holds, and the number of exceptions
// (expected: 0). The unit truncates the magnitude of t, so the two signs do not share their thresholds.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#define CHECK(call) do { cudaError_t e = (call); if (e != cudaSuccess) { printf("%s: %s\n", #call, cudaGetErrorString(e)); exit(1); } } while (0)

__device__ int ordered(float r) // monotone, both zeros alike
{
    int i = __float_as_int(r);
    return i < 0 ? -(i & 0x7FFFFFFF) : i;
}

__device__ unsigned exp2_bf16(float t)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(t));
    unsigned u = __float_as_uint(y);
    return (u + 0x7FFF + ((u >> 16) & 1)) >> 16;
}

__global__ void scan(unsigned first, unsigned long long count, int* least, int* most, unsigned long long* outside)
{
    unsigned long long stride = (unsigned long long)gridDim.x * blockDim.x;
    for (unsigned long long i = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += stride)
    {
        float t = __uint_as_float(first + (unsigned)i);
        float n = rintf(t), r = __fsub_rn(t, n);
        int code = (int)exp2_bf16(t) - (int)n * 128 - 0x3F00;
        if (code < 0 || code > 255) { atomicAdd(outside, 1ull); continue; }
        int o = ordered(r);
        if (o < least[code]) atomicMin(&least[code], o);
        if (o > most[code]) atomicMax(&most[code], o);
    }
}

// Below -126 everything must be +0.
__global__ void below(unsigned long long* nonzero)
{
    unsigned long long stride = (unsigned long long)gridDim.x * blockDim.x;
    for (unsigned long long i = 0xC2FC0001ull + blockIdx.x * blockDim.x + threadIdx.x; i <= 0xFF800000ull; i += stride)
        if (exp2_bf16(__uint_as_float((unsigned)i)) != 0) atomicAdd(nonzero, 1ull);
}

static int scan_sign(const char* name, unsigned first, unsigned long long count)
{
    int *least, *most;
    unsigned long long* outside;
    CHECK(cudaMallocManaged(&least, 256 * 4));
    CHECK(cudaMallocManaged(&most, 256 * 4));
    CHECK(cudaMallocManaged(&outside, 8));
    for (int i = 0; i < 256; i++) { least[i] = 0x7FFFFFFF; most[i] = -0x7FFFFFFF; }
    *outside = 0;
    scan<<<1320, 256>>>(first, count, least, most, outside);
    CHECK(cudaDeviceSynchronize());
    int overlaps = 0, low = 256, high = -1;
    for (int g = 0; g < 256; g++) if (least[g] != 0x7FFFFFFF) { if (g < low) low = g; high = g; }
    for (int g = low; g < high; g++) overlaps += most[g] >= least[g + 1];
    printf("// %s: %llu floats; codes %d..%d; outside %llu; overlapping steps %d\n", name, count, low, high, *outside, overlaps);
    for (int g = low; g < high; g++)
    {
        int o = least[g + 1];
        unsigned bits = o < 0 ? 0x80000000u | (unsigned)-o : (unsigned)o;
        printf("0x%08X,%s", bits, (g - low) % 8 == 7 ? "\n" : " ");
    }
    return overlaps || *outside;
}

int main()
{
    unsigned long long* nonzero;
    CHECK(cudaMallocManaged(&nonzero, 8));
    *nonzero = 0;
    int bad = scan_sign("negative", 0x80000000u, 0xC2FC0000ull - 0x80000000ull + 1);
    bad |= scan_sign("positive", 0u, 0x43000000ull);
    below<<<1320, 256>>>(nonzero);
    CHECK(cudaDeviceSynchronize());
    printf("// non-zero below -126: %llu\n", *nonzero);
    return bad || *nonzero;
}
