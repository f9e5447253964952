// What two GPUs of one machine reach between them, for tensor parallelism:
//   copies     by the copy engines, one way and both ways at once
//   kernels    that store to, or load from, the other GPU's memory, 16 bytes a thread at a time
//   flags      a round trip of one word through the other GPU's memory
//   exchanges  each GPU stores a message and a flag a block into the other's memory, waits for what comes, and goes on:
//              the step of an all-reduce over two GPUs, without its additions
//
//   nvcc -O3 -std=c++17 -arch=sm_90a -o peer_to_peer peer_to_peer.cu && ./peer_to_peer
//
// Plain peer access only; no multicast. What a message brings is compared, every word; a wait that lasts too long ends the program.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#define CHECK(call)                                                                                            \
    do {                                                                                                       \
        cudaError_t result = (call);                                                                           \
        if (result != cudaSuccess) {                                                                           \
            std::fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorString(result));    \
            std::exit(1);                                                                                      \
        }                                                                                                      \
    } while (0)

constexpr int Gpus = 2;
constexpr int Repeats = 9;
constexpr size_t LargeBytes = size_t(1) << 30;
constexpr int Threads = 512;
constexpr int MaxBlocks = 64;
constexpr long long LongestWait = 2'000'000'000; // cycles, about a second

struct Gpu {
    cudaStream_t stream, second;
    cudaEvent_t begin, end, other;
    uint4* source;
    uint4* target;
    unsigned* flags;   // [MaxBlocks], a cache line apart
    unsigned* failure; // waits given up, or words that were wrong
};

static Gpu gpus[Gpus];
constexpr int FlagStride = 32;

__device__ void store_flag(unsigned* flag, unsigned value) {
    asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(flag), "r"(value) : "memory");
}

__device__ unsigned load_flag(const unsigned* flag) {
    unsigned value;
    asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(flag) : "memory");
    return value;
}

__device__ bool wait_for(const unsigned* flag, unsigned value) {
    long long start = clock64();
    while (load_flag(flag) != value) {
        if (clock64() - start > LongestWait) return false;
    }
    return true;
}

__global__ void fill(uint4* data, size_t count, unsigned seed) {
    for (size_t i = blockIdx.x * size_t(blockDim.x) + threadIdx.x; i < count; i += size_t(gridDim.x) * blockDim.x) {
        unsigned value = unsigned(i) * 2654435761u + seed;
        data[i] = make_uint4(value, value ^ 1, value ^ 2, value ^ 3);
    }
}

// Every thread moves 16 bytes at a time; one of the two pointers is the other GPU's.
__global__ void move_vectors(const uint4* __restrict__ from, uint4* __restrict__ to, size_t count) {
    size_t stride = size_t(gridDim.x) * blockDim.x;
    size_t i = blockIdx.x * size_t(blockDim.x) + threadIdx.x;
    for (; i + 3 * stride < count; i += 4 * stride) {
        uint4 a = from[i], b = from[i + stride], c = from[i + 2 * stride], d = from[i + 3 * stride];
        to[i] = a, to[i + stride] = b, to[i + 2 * stride] = c, to[i + 3 * stride] = d;
    }
    for (; i < count; i += stride) to[i] = from[i];
}

// One thread a GPU. The first sends round r and waits for its answer; the second answers.
__global__ void ping_pong(unsigned* mine, unsigned* theirs, int rounds, bool first, unsigned* failure) {
    for (int r = 1; r <= rounds; r++) {
        if (first) store_flag(theirs, r);
        if (!wait_for(mine, r)) {
            atomicAdd(failure, 1);
            return;
        }
        if (!first) store_flag(theirs, r);
    }
}

// Each block has a part of the message and a flag. With takes_turns the second GPU sends only once it has what the first sent.
// Targets alternate, so that nobody overwrites what the other may still read: who has round r has read round r - 1.
__global__ void exchange(
    uint4* mine, uint4* theirs, size_t vectors, unsigned* flags, unsigned* their_flags, int rounds, int rank, bool takes_turns,
    bool checks, unsigned* failure) {
    size_t part = vectors / gridDim.x;
    size_t first = blockIdx.x * part;
    unsigned* flag = flags + blockIdx.x * FlagStride;
    unsigned* their_flag = their_flags + blockIdx.x * FlagStride;
    __shared__ bool came;
    for (int r = 1; r <= rounds; r++) {
        size_t half = (r & 1) * vectors;
        for (int turn = 0; turn < 2; turn++) {
            bool sends = takes_turns ? turn == rank : turn == 0;
            if (sends) {
                for (size_t i = threadIdx.x; i < part; i += blockDim.x) {
                    unsigned word = unsigned(first + i) * 7 + r * 2 + rank;
                    theirs[half + first + i] = make_uint4(word, word, word, word);
                }
                __syncthreads();
                if (threadIdx.x == 0) {
                    __threadfence_system();
                    store_flag(their_flag, r);
                }
            } else {
                if (threadIdx.x == 0) came = wait_for(flag, r);
                __syncthreads();
                if (!came) {
                    if (threadIdx.x == 0) atomicAdd(failure, 1);
                    return;
                }
                for (size_t i = threadIdx.x; checks && i < part; i += blockDim.x) {
                    unsigned word = unsigned(first + i) * 7 + r * 2 + (1 - rank);
                    uint4 got = mine[half + first + i];
                    if (got.x != word || got.y != word || got.z != word || got.w != word) atomicAdd(failure, 1);
                }
                __syncthreads();
            }
        }
    }
}

template <typename Run>
static double median_ms(Run run) {
    std::vector<double> times;
    run();
    for (int i = 0; i < Repeats; i++) times.push_back(run());
    std::sort(times.begin(), times.end());
    return times[Repeats / 2];
}

// Work of the GPUs named, begun together: time from the begin on the first until all have ended.
template <typename Work>
static double timed(bool both, Work work) {
    CHECK(cudaSetDevice(0));
    CHECK(cudaEventRecord(gpus[0].begin, gpus[0].stream));
    if (both) {
        CHECK(cudaSetDevice(1));
        CHECK(cudaStreamWaitEvent(gpus[1].stream, gpus[0].begin, 0));
        work(1);
        CHECK(cudaEventRecord(gpus[1].other, gpus[1].stream));
        CHECK(cudaSetDevice(0));
    }
    work(0);
    if (both) CHECK(cudaStreamWaitEvent(gpus[0].stream, gpus[1].other, 0));
    CHECK(cudaEventRecord(gpus[0].end, gpus[0].stream));
    CHECK(cudaEventSynchronize(gpus[0].end));
    float ms;
    CHECK(cudaEventElapsedTime(&ms, gpus[0].begin, gpus[0].end));
    return ms;
}

static unsigned failures() {
    unsigned all = 0;
    for (int g = 0; g < Gpus; g++) {
        CHECK(cudaSetDevice(g));
        CHECK(cudaDeviceSynchronize());
        unsigned one;
        CHECK(cudaMemcpy(&one, gpus[g].failure, sizeof one, cudaMemcpyDeviceToHost));
        all += one;
    }
    return all;
}

static void clear_flags() {
    for (int g = 0; g < Gpus; g++) {
        CHECK(cudaSetDevice(g));
        CHECK(cudaMemset(gpus[g].flags, 0, MaxBlocks * FlagStride * sizeof(unsigned)));
        CHECK(cudaDeviceSynchronize());
    }
}

static void open_gpus() {
    int count;
    CHECK(cudaGetDeviceCount(&count));
    if (count < Gpus) {
        std::fprintf(stderr, "There are %d GPUs, and this takes two.\n", count);
        std::exit(1);
    }
    for (int g = 0; g < Gpus; g++) {
        int can, atomics, rank;
        CHECK(cudaDeviceCanAccessPeer(&can, g, 1 - g));
        if (!can) {
            std::fprintf(stderr, "GPU %d cannot access GPU %d's memory.\n", g, 1 - g);
            std::exit(1);
        }
        CHECK(cudaDeviceGetP2PAttribute(&atomics, cudaDevP2PAttrNativeAtomicSupported, g, 1 - g));
        CHECK(cudaDeviceGetP2PAttribute(&rank, cudaDevP2PAttrPerformanceRank, g, 1 - g));
        cudaDeviceProp properties;
        CHECK(cudaGetDeviceProperties(&properties, g));
        std::printf("GPU %d: %s, peer access to GPU %d, native atomics %d, performance rank %d\n", g, properties.name, 1 - g, atomics, rank);
        CHECK(cudaSetDevice(g));
        CHECK(cudaDeviceEnablePeerAccess(1 - g, 0));
        Gpu& gpu = gpus[g];
        CHECK(cudaStreamCreateWithFlags(&gpu.stream, cudaStreamNonBlocking));
        CHECK(cudaStreamCreateWithFlags(&gpu.second, cudaStreamNonBlocking));
        CHECK(cudaEventCreate(&gpu.begin));
        CHECK(cudaEventCreate(&gpu.end));
        CHECK(cudaEventCreateWithFlags(&gpu.other, cudaEventDisableTiming));
        CHECK(cudaMalloc(&gpu.source, LargeBytes));
        CHECK(cudaMalloc(&gpu.target, LargeBytes));
        CHECK(cudaMalloc(&gpu.flags, MaxBlocks * FlagStride * sizeof(unsigned)));
        CHECK(cudaMalloc(&gpu.failure, sizeof(unsigned)));
        CHECK(cudaMemset(gpu.failure, 0, sizeof(unsigned)));
        fill<<<1024, 256, 0, gpu.stream>>>(gpu.source, LargeBytes / sizeof(uint4), g);
        CHECK(cudaDeviceSynchronize());
    }
}

// The target on GPU `to` holds what GPU `from` had as its source.
static void require_copied(int from, int to, size_t bytes) {
    std::vector<uint32_t> got(bytes / sizeof(uint32_t));
    CHECK(cudaSetDevice(to));
    CHECK(cudaMemcpy(got.data(), gpus[to].target, bytes, cudaMemcpyDeviceToHost));
    for (size_t i = 0; i < got.size(); i++) {
        if (got[i] != ((unsigned(i / 4) * 2654435761u + unsigned(from)) ^ (i % 4))) {
            std::fprintf(stderr, "Word %zu of a copy from GPU %d to GPU %d is wrong.\n", i, from, to);
            std::exit(1);
        }
    }
}

static void copies() {
    std::printf("\ncopies, GB/s: size, one way, both ways together\n");
    for (size_t bytes : {size_t(64) << 10, size_t(1) << 20, size_t(16) << 20, LargeBytes}) {
        auto copy = [&](int g) {
            CHECK(cudaMemcpyPeerAsync(gpus[1 - g].target, 1 - g, gpus[g].source, g, bytes, gpus[g].stream));
        };
        double one = median_ms([&] { return timed(false, copy); });
        double two = median_ms([&] { return timed(true, copy); });
        std::printf("%10zu  %8.1f (%.1f us)  %8.1f\n", bytes, bytes / one * 1e-6, one * 1e3, 2 * bytes / two * 1e-6);
    }
    require_copied(0, 1, LargeBytes);
    require_copied(1, 0, LargeBytes);
}

static void kernels() {
    std::printf("\nkernels over 1 GiB, GB/s: blocks of %d, stores one way, stores both ways together, loads one way\n", Threads);
    size_t count = LargeBytes / sizeof(uint4);
    for (int blocks : {8, 16, 32, 64, 132, 264}) {
        auto store = [&](int g) { move_vectors<<<blocks, Threads, 0, gpus[g].stream>>>(gpus[g].source, gpus[1 - g].target, count); };
        auto load = [&](int g) { move_vectors<<<blocks, Threads, 0, gpus[g].stream>>>(gpus[1 - g].source, gpus[g].target, count); };
        double one = median_ms([&] { return timed(false, store); });
        double two = median_ms([&] { return timed(true, store); });
        double loads = median_ms([&] { return timed(false, load); });
        CHECK(cudaGetLastError());
        std::printf("%6d  %8.1f  %8.1f  %8.1f\n", blocks, LargeBytes / one * 1e-6, 2 * LargeBytes / two * 1e-6, LargeBytes / loads * 1e-6);
    }
}

static void flag_latency() {
    constexpr int Rounds = 2000;
    double ms = median_ms([&] {
        clear_flags();
        return timed(true, [&](int g) {
            ping_pong<<<1, 1, 0, gpus[g].stream>>>(gpus[g].flags, gpus[1 - g].flags, Rounds, g == 0, gpus[g].failure);
        });
    });
    std::printf("\nflag: round trip %.2f us, one way %.2f us (%u failures)\n", ms * 1e3 / Rounds, ms * 1e3 / Rounds / 2, failures());
}

static void messages() {
    constexpr int Rounds = 1000;
    std::printf("\nmessages of a kernel, us: bytes, blocks of %d, one way with its flag (half a round trip), both ways at once; failures of a checked run\n", Threads);
    for (size_t bytes : {size_t(8) << 10, size_t(64) << 10, size_t(256) << 10, size_t(1) << 20}) {
        for (int blocks : {1, 4, 8, 16, 32}) {
            size_t vectors = bytes / sizeof(uint4);
            if (vectors / blocks < 32) continue;
            auto run = [&](bool takes_turns, bool checks) {
                clear_flags();
                return timed(true, [&](int g) {
                    exchange<<<blocks, Threads, 0, gpus[g].stream>>>(
                        gpus[g].target, gpus[1 - g].target, vectors, gpus[g].flags, gpus[1 - g].flags, Rounds, g, takes_turns, checks, gpus[g].failure);
                });
            };
            double turns = median_ms([&] { return run(true, false); });
            double both = median_ms([&] { return run(false, false); });
            run(false, true);
            run(true, true);
            CHECK(cudaGetLastError());
            std::printf("%8zu  %3d  %8.2f  %8.2f  %u\n", bytes, blocks, turns * 1e3 / Rounds / 2, both * 1e3 / Rounds, failures());
        }
    }
}

int main() {
    open_gpus();
    copies();
    kernels();
    flag_latency();
    messages();
    unsigned wrong = failures();
    std::printf("\n%s\n", wrong == 0 ? "All that was compared was right." : "SOMETHING WAS WRONG.");
    return wrong == 0 ? 0 : 1;
}
