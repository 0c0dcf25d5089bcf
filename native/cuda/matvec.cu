#include "cuda/check.cuh"
#include "cuda/matvec.cuh"

namespace longread::gpu {
namespace {

constexpr int warps = 4;

// A warp an output. x comes from the cache after the first.
__global__ void __launch_bounds__(warps* warp_threads)
    matvec_kernel(const __half* weight, const __half* x, __half* to, float* added, int in, int out) {
    const int row = static_cast<int>(blockIdx.x * warps + threadIdx.x / warp_threads);
    const int lane = static_cast<int>(threadIdx.x % warp_threads);
    if (row >= out) // the whole warp
        return;
    const uint4* w = reinterpret_cast<const uint4*>(weight + static_cast<size_t>(row) * in);
    const uint4* v = reinterpret_cast<const uint4*>(x);
    float sum = 0;
#pragma unroll 4
    for (int i = lane; i < in / 8; i += warp_threads) {
        const uint4 a = w[i], b = v[i];
        const float2 a0 = unpacked_halves(a.x), a1 = unpacked_halves(a.y), a2 = unpacked_halves(a.z);
        const float2 a3 = unpacked_halves(a.w), b0 = unpacked_halves(b.x), b1 = unpacked_halves(b.y);
        const float2 b2 = unpacked_halves(b.z), b3 = unpacked_halves(b.w);
        sum += a0.x * b0.x + a0.y * b0.y + a1.x * b1.x + a1.y * b1.y + a2.x * b2.x + a2.y * b2.y + a3.x * b3.x +
               a3.y * b3.y;
    }
    sum = warp_sum(sum);
    if (lane != 0)
        return;
    if (to)
        to[row] = __float2half_rn(sum);
    else
        added[row] += sum;
}

} // namespace

void matvec(const __half* weight, const __half* x, __half* to, float* added, int in, int out, cudaStream_t stream) {
    launch(matvec_kernel, dim3(static_cast<unsigned>(blocks_for(out, warps))), warps * warp_threads, 0, stream, weight,
           x, to, added, in, out);
}

} // namespace longread::gpu
