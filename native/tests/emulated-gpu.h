// A GPU on the processor: kernels run thread by thread, so that their indices, their waits and what they exchange are
// tested where there is no GPU. Threads of a block are fibres that take turns where they wait for each other. They and
// the blocks run in the order of their numbers, when copies that are to be waited for (cp.async) come as late as they
// may; or against it, when they come at once (emulated::backwards): what differs lacks a wait. Only what the kernels
// use is here; how threads hold matrices is written down in cuda/mma.cuh.
#pragma once
#include "cuda/half.h"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static
#define __align__(bytes) __attribute__((aligned(bytes)))
#define LONGREAD_DYNAMIC_SHARED(name) unsigned char* name = longread::gpu::emulated::dynamic_shared()

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) uint2 {
    uint32_t x, y;
};
struct alignas(16) uint4 {
    uint32_t x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(uint32_t x, uint32_t y) { return {x, y}; }
inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w) { return {x, y, z, w}; }

struct __half {
    uint16_t bits;
};
struct __half2 {
    __half x, y;
};
namespace longread::gpu::emulated {
extern const std::vector<float> all_halves; // the value of each, by its bits
}
inline float __half2float(__half x) { return longread::gpu::emulated::all_halves[x.bits]; }
inline __half __float2half_rn(float x) { return {longread::gpu::to_half(x)}; }
inline __half2 __floats2half2_rn(float x, float y) { return {__float2half_rn(x), __float2half_rn(y)}; }
inline __half2 __float2half2_rn(float x) { return __floats2half2_rn(x, x); }
inline float2 __half22float2(__half2 x) { return {__half2float(x.x), __half2float(x.y)}; }
inline __half2 __hsub2(__half2 a, __half2 b) {
    return __floats2half2_rn(__half2float(a.x) - __half2float(b.x), __half2float(a.y) - __half2float(b.y));
}
inline int __float2int_rn(float x) { return static_cast<int>(std::lrintf(x)); }
inline uint32_t __byte_perm(uint32_t x, uint32_t y, uint32_t selector) {
    const uint64_t bytes = (static_cast<uint64_t>(y) << 32) | x;
    uint32_t result = 0;
    for (int i = 0; i < 4; ++i)
        result |= static_cast<uint32_t>((bytes >> (8 * ((selector >> (4 * i)) & 7))) & 255) << (8 * i);
    return result;
}
using std::isfinite;
using std::max;
using std::min;

// --- the runtime: one device whose memory is the processor's, everything done at once
// ---------------------------------
typedef int cudaError_t;
typedef struct EmulatedStream* cudaStream_t;
typedef struct EmulatedEvent* cudaEvent_t;
constexpr cudaError_t cudaSuccess = 0;
enum { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
constexpr unsigned cudaStreamNonBlocking = 1;
constexpr int cudaFuncAttributeMaxDynamicSharedMemorySize = 8;
inline const char* cudaGetErrorString(cudaError_t status) {
    return status == 2 ? "out of memory" : "an illegal memory access was encountered";
}
// Compute capability 9.0, for products of warpgroups, but as little shared memory as 8.6 has.
constexpr int emulated_shared_bytes = 99 * 1024;
// The last call that failed on this thread, until it is asked for.
cudaError_t failed(cudaError_t status);
cudaError_t cudaGetLastError();
// LONGREAD_EMULATED_FULL: there is no memory, for tests of who goes on without it. LONGREAD_EMULATED_BROKEN: after a
// fault, nothing can be done any more.
inline cudaError_t emulated_fault() { return std::getenv("LONGREAD_EMULATED_BROKEN") ? 700 : cudaSuccess; }
// What is taken ends (to 16 bytes) where a page begins that nobody may touch, or (backwards) begins where one ends:
// whoever goes beyond ends the program.
cudaError_t cudaMalloc(void** to, size_t bytes);
cudaError_t cudaFree(void* p);
inline cudaError_t cudaMallocHost(void** to, size_t bytes) { return cudaMalloc(to, bytes); }
inline cudaError_t cudaFreeHost(void* p) { return cudaFree(p); }
inline cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, int) {
    return std::memcpy(to, from, bytes), cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, int kind, cudaStream_t) {
    return cudaMemcpy(to, from, bytes, kind);
}
inline cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                                     size_t height, int, cudaStream_t) {
    for (size_t i = 0; i < height; ++i)
        std::memcpy(static_cast<char*>(to) + i * to_pitch, static_cast<const char*>(from) + i * from_pitch, width);
    return cudaSuccess;
}
constexpr unsigned cudaHostRegisterPortable = 1, cudaHostRegisterMapped = 2;
inline cudaError_t cudaHostRegister(void*, size_t, unsigned) { return cudaSuccess; }
inline cudaError_t cudaHostUnregister(void*) { return cudaSuccess; }
inline cudaError_t cudaHostGetDevicePointer(void** to, void* from, unsigned) { return *to = from, cudaSuccess; }
inline cudaError_t cudaMemset(void* to, int value, size_t bytes) { return std::memset(to, value, bytes), cudaSuccess; }
inline cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) {
    return cudaMemset(to, value, bytes);
}
inline cudaError_t cudaFuncSetAttribute(const void*, int, int bytes) {
    return failed(bytes <= emulated_shared_bytes ? cudaSuccess : 1);
}
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* to, unsigned) { return *to = nullptr, cudaSuccess; }
inline cudaError_t cudaStreamCreateWithPriority(cudaStream_t* to, unsigned, int) { return *to = nullptr, cudaSuccess; }
inline cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return emulated_fault(); }
inline cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }
inline cudaError_t cudaEventCreate(cudaEvent_t* to) { return *to = nullptr, cudaSuccess; }
inline cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
inline cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
inline cudaError_t cudaEventElapsedTime(float* to, cudaEvent_t, cudaEvent_t) { return *to = 1.0f, cudaSuccess; }
inline cudaError_t cudaDeviceGetByPCIBusId(int* to, const char*) { return *to = 0, cudaSuccess; }
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaGetDevice(int* to) { return *to = 0, cudaSuccess; }
enum { cudaDevAttrComputeCapabilityMajor, cudaDevAttrComputeCapabilityMinor, cudaDevAttrMaxSharedMemoryPerBlockOptin };
inline cudaError_t cudaDeviceGetAttribute(int* to, int what, int) {
    *to = what == cudaDevAttrComputeCapabilityMajor         ? 9
          : what == cudaDevAttrMaxSharedMemoryPerBlockOptin ? emulated_shared_bytes
                                                            : 0;
    return cudaSuccess;
}
inline cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
    return *free = *total = size_t{1} << 32, emulated_fault();
}

namespace longread::gpu {

namespace emulated {

extern bool backwards;

struct Index {
    unsigned x = 0, y = 0, z = 0;
};
extern Index thread, block;

unsigned char* dynamic_shared();
// Runs `kernel` once for each thread of each block.
void run(dim3 grid, int threads, size_t shared_bytes, const std::function<void()>& kernel);
// Until all threads of the block, or of the warp, wait here.
void wait_for_block();
void wait_for_warp();
// Gives each thread of a warp what all its threads give: [lane][words].
constexpr int most_words = 8;
const uint64_t (*exchange(const uint64_t* words, int count))[most_words];
void copy_later(void* to, const void* from, size_t bytes, bool valid);
void commit_copies();
void wait_for_copies(int pending);

} // namespace emulated

inline void ldmatrix(uint32_t (&r)[4], const void* row) {
    const uint64_t mine = reinterpret_cast<uintptr_t>(row);
    const auto rows = emulated::exchange(&mine, 1);
    const unsigned lane = emulated::thread.x % 32;
    for (unsigned i = 0; i < 4; ++i)
        std::memcpy(&r[i], reinterpret_cast<const uint16_t*>(rows[i * 8 + lane / 4][0]) + lane % 4 * 2, 4);
    emulated::wait_for_warp();
}

inline void ldmatrix_transposed(uint32_t (&r)[4], const void* row) {
    const uint64_t mine = reinterpret_cast<uintptr_t>(row);
    const auto rows = emulated::exchange(&mine, 1);
    const unsigned lane = emulated::thread.x % 32;
    for (unsigned i = 0; i < 4; ++i) {
        const auto at = [&](unsigned k) { return reinterpret_cast<const uint16_t*>(rows[i * 8 + k][0])[lane / 4]; };
        r[i] = at(lane % 4 * 2) | static_cast<uint32_t>(at(lane % 4 * 2 + 1)) << 16;
    }
    emulated::wait_for_warp();
}

inline void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    const uint64_t mine[6] = {a[0], a[1], a[2], a[3], b0, b1};
    const auto all = emulated::exchange(mine, 6);
    const unsigned lane = emulated::thread.x % 32;
    const auto half = [](uint64_t both, unsigned k) {
        return emulated::all_halves[static_cast<uint16_t>(both >> (k % 2 * 16))];
    };
    for (unsigned e = 0; e < 4; ++e) {
        const unsigned row = lane / 4 + e / 2 * 8, column = lane % 4 * 2 + e % 2;
        float sum = 0;
        for (unsigned k = 0; k < 16; ++k)
            sum += half(all[row % 8 * 4 + k % 8 / 2][row / 8 + k / 8 * 2], k) *
                   half(all[column * 4 + k % 8 / 2][4 + k / 8], k);
        c[e] += sum;
    }
    emulated::wait_for_warp();
}

inline void cp_async(void* shared, const void* from, bool valid) { emulated::copy_later(shared, from, 16, valid); }
inline void cp_async_word(void* shared, const void* from, bool valid) { emulated::copy_later(shared, from, 4, valid); }
inline void cp_async_commit() { emulated::commit_copies(); }
inline void prefetch(const void* p) { // must be there
    volatile char there = *static_cast<const char*>(p);
    (void)there;
}
inline float power_of_two(float x) { return std::exp2(x); }
template <int Pending> inline void cp_async_wait() { emulated::wait_for_copies(Pending); }

} // namespace longread::gpu

#define threadIdx (longread::gpu::emulated::thread)
#define blockIdx (longread::gpu::emulated::block)

inline void __syncthreads() { longread::gpu::emulated::wait_for_block(); }
inline void __syncwarp() { longread::gpu::emulated::wait_for_warp(); }
template <typename T> T __shfl_xor_sync(unsigned, T x, int mask) {
    static_assert(sizeof x <= sizeof(uint64_t), "a thread gives one word");
    uint64_t mine = 0;
    std::memcpy(&mine, &x, sizeof x);
    const auto all = longread::gpu::emulated::exchange(&mine, 1);
    T other;
    std::memcpy(&other, &all[(threadIdx.x % 32) ^ static_cast<unsigned>(mask)][0], sizeof other);
    longread::gpu::emulated::wait_for_warp();
    return other;
}
template <typename T> T shuffled(T x, unsigned from) {
    uint64_t mine = 0;
    std::memcpy(&mine, &x, sizeof x);
    const auto all = longread::gpu::emulated::exchange(&mine, 1);
    T other;
    std::memcpy(&other, &all[from][0], sizeof other);
    longread::gpu::emulated::wait_for_warp();
    return other;
}
template <typename T> T __shfl_sync(unsigned, T x, int from) { return shuffled(x, static_cast<unsigned>(from)); }
// Threads whose other is outside the warp keep their own.
template <typename T> T __shfl_up_sync(unsigned, T x, unsigned step) {
    const unsigned lane = threadIdx.x % 32;
    return shuffled(x, lane < step ? lane : lane - step);
}
template <typename T> T __shfl_down_sync(unsigned, T x, unsigned step) {
    const unsigned lane = threadIdx.x % 32;
    return shuffled(x, lane + step < 32 ? lane + step : lane);
}
inline unsigned __ballot_sync(unsigned, bool x) {
    const uint64_t mine = x;
    const auto all = longread::gpu::emulated::exchange(&mine, 1);
    unsigned bits = 0;
    for (unsigned lane = 0; lane < 32; ++lane)
        bits |= static_cast<unsigned>(all[lane][0] != 0) << lane;
    longread::gpu::emulated::wait_for_warp();
    return bits;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int atomicAdd(int* to, int x) {
    const int before = *to; // no other thread runs meanwhile
    *to += x;
    return before;
}
inline unsigned __reduce_max_sync(unsigned, unsigned x) {
    const uint64_t mine = x;
    const auto all = longread::gpu::emulated::exchange(&mine, 1);
    unsigned most = 0;
    for (int lane = 0; lane < 32; ++lane)
        most = std::max(most, static_cast<unsigned>(all[lane][0]));
    longread::gpu::emulated::wait_for_warp();
    return most;
}
