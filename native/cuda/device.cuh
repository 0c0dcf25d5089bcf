// What every kernel needs: CUDA's own headers, or what stands in for them where kernels are run on the processor,
// thread by thread, to test them without a GPU (tests/emulated-gpu.h); and sums over a warp.
#pragma once
#ifdef LONGREAD_EMULATED
#include "tests/emulated-gpu.h"
#else
#include <cuda_fp16.h>
#include <cuda_runtime.h>
// Shared memory whose size the launch says. One name a file: the compiler gives all such arrays one address, a multiple
// of 1,024 as warpgroups' products want it.
#define LONGREAD_DYNAMIC_SHARED(name) extern __shared__ __align__(1024) unsigned char name[]
#endif
#include <cstdint>
#include <cstring>

namespace longread::gpu {

constexpr int warp_threads = 32;
constexpr unsigned whole_warp = 0xffffffffu;

__device__ inline float warp_sum(float x) {
    for (int step = 16; step > 0; step /= 2)
        x += __shfl_xor_sync(whole_warp, x, step);
    return x;
}

__device__ inline float warp_max(float x) {
    for (int step = 16; step > 0; step /= 2)
        x = fmaxf(x, __shfl_xor_sync(whole_warp, x, step));
    return x;
}

// Two half-precision numbers in a register, the first in its lower half.
__device__ inline uint32_t bits_of(__half2 both) {
    uint32_t bits;
    memcpy(&bits, &both, sizeof bits);
    return bits;
}

__device__ inline __half2 halves_of(uint32_t bits) {
    __half2 both;
    memcpy(&both, &bits, sizeof both);
    return both;
}

__device__ inline uint32_t packed_halves(float low, float high) { return bits_of(__floats2half2_rn(low, high)); }

__device__ inline float2 unpacked_halves(uint32_t both) { return __half22float2(halves_of(both)); }

} // namespace longread::gpu
