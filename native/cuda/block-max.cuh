// The largest of numbers that the threads of a block have, for choosing the best of many.
#pragma once
#include "cuda/device.cuh"

namespace longread::gpu {

// A number that is larger for a larger x, and above 0.
__device__ inline uint32_t rank_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return max(1u, bits & 0x80000000u ? ~bits : bits | 0x80000000u);
}

// Ranks of candidates: better ones are larger, of equally good ones that with the smaller number; 0 is none.
__device__ inline unsigned long long candidate(uint32_t rank, int number) {
    return rank == 0 ? 0 : static_cast<unsigned long long>(rank) << 32 | (0xffffffffu - static_cast<uint32_t>(number));
}
__device__ inline int number_of(unsigned long long candidate) {
    return static_cast<int>(0xffffffffu - static_cast<uint32_t>(candidate));
}

// Upper halves first, by the instruction that needs no rounds (compute capability 8.0).
__device__ inline unsigned long long warp_most(unsigned long long x) {
    const uint32_t upper = static_cast<uint32_t>(x >> 32), most = __reduce_max_sync(whole_warp, upper);
    const uint32_t lower = __reduce_max_sync(whole_warp, upper == most ? static_cast<uint32_t>(x) : 0u);
    return static_cast<unsigned long long>(most) << 32 | lower;
}

// All threads call it and all get the largest. scratch: one for each warp, free again when all have called it twice.
__device__ inline unsigned long long block_most(unsigned long long x, unsigned long long* scratch, int threads) {
    const int warp = static_cast<int>(threadIdx.x) / warp_threads, lane = static_cast<int>(threadIdx.x) % warp_threads;
    x = warp_most(x);
    if (lane == 0)
        scratch[warp] = x;
    __syncthreads();
    return warp_most(lane < threads / warp_threads ? scratch[lane] : 0);
}

} // namespace longread::gpu
