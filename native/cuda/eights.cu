#include "cuda/check.cuh"
#include "cuda/eight.h"
#include "cuda/eights.cuh"
#ifndef LONGREAD_EMULATED
#include <cuda_fp8.h>
#endif

namespace longread::gpu {
namespace {

constexpr int warps = 8;

// Two numbers, the first in the lower half.
__device__ uint32_t two_eights(float2 numbers) {
#ifdef LONGREAD_EMULATED
    return to_eight(numbers.x) | static_cast<uint32_t>(to_eight(numbers.y)) << 8;
#else
    return __nv_cvt_float2_to_fp8x2(numbers, __NV_SATFINITE, __NV_E4M3);
#endif
}

// A warp a row. The row is read twice; the second time from the cache.
__global__ void __launch_bounds__(warps* warp_threads)
    eights_kernel(const __half* x, uint8_t* to, float* scales, int rows, int width) {
    const int row = static_cast<int>(blockIdx.x * warps + threadIdx.x / warp_threads);
    const int lane = static_cast<int>(threadIdx.x % warp_threads);
    if (row >= rows) // the whole warp
        return;
    const uint4* from = reinterpret_cast<const uint4*>(x + static_cast<size_t>(row) * width);
    uint2* out = reinterpret_cast<uint2*>(to + static_cast<size_t>(row) * width);
    float most = 0;
    for (int i = lane; i < width / 8; i += warp_threads) {
        const uint4 v = from[i];
        for (uint32_t both : {v.x, v.y, v.z, v.w}) {
            const float2 numbers = unpacked_halves(both);
            most = fmaxf(most, fmaxf(fabsf(numbers.x), fabsf(numbers.y)));
        }
    }
    most = warp_max(most);
    const float scale = most > 0 ? most / most_eight : 1.0f, factor = 1.0f / scale;
    if (lane == 0)
        scales[row] = scale;
    const auto scaled = [&](uint32_t both) {
        const float2 numbers = unpacked_halves(both);
        return two_eights(make_float2(numbers.x * factor, numbers.y * factor));
    };
    for (int i = lane; i < width / 8; i += warp_threads) {
        const uint4 v = from[i];
        out[i] = make_uint2(scaled(v.x) | scaled(v.y) << 16, scaled(v.z) | scaled(v.w) << 16);
    }
}

} // namespace

void to_eights(const __half* x, uint8_t* to, float* scales, int rows, int width, cudaStream_t stream) {
    launch(eights_kernel, dim3(static_cast<unsigned>(blocks_for(rows, warps))), warps * warp_threads, 0, stream, x, to,
           scales, rows, width);
}

} // namespace longread::gpu
