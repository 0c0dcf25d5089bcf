#include "cuda/check.cuh"
#include "cuda/matvec.cuh"
#include "cuda/mma.cuh"

namespace longread::gpu {
namespace {

constexpr int warps = 4;

__device__ inline float product(uint32_t a, uint32_t b) {
    const float2 x = unpacked_halves(a), y = unpacked_halves(b);
    return x.x * y.x + x.y * y.y;
}

__device__ inline float product(uint4 a, uint4 b) {
    return product(a.x, b.x) + product(a.y, b.y) + product(a.z, b.z) + product(a.w, b.w);
}

// Two numbers of 8 bit (e4m3, eight.h) as halves, 2^8 times too small: their exponents differ by no more.
__device__ inline uint32_t small_halves(uint32_t two) {
    const uint32_t apart = (two & 0xffu) | (two & 0xff00u) << 8;
    return (apart & 0x00800080u) << 8 | (apart & 0x007f007fu) << 7;
}
constexpr float larger = 256;

__device__ inline void finish(float sum, __half* to, float* added, int row) {
    if (to)
        to[row] = __float2half_rn(sum);
    else
        added[row] += sum;
}

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
    for (int i = lane; i < in / 8; i += warp_threads)
        sum += product(w[i], v[i]);
    sum = warp_sum(sum);
    if (lane == 0)
        finish(sum, to, added, row);
}

__global__ void __launch_bounds__(warps* warp_threads)
    eights_matvec_kernel(const uint8_t* weight, const float* scales, const __half* x, __half* to, float* added, int in,
                         int out) {
    const int row = static_cast<int>(blockIdx.x * warps + threadIdx.x / warp_threads);
    const int lane = static_cast<int>(threadIdx.x % warp_threads);
    if (row >= out) // the whole warp
        return;
    const uint4* w = reinterpret_cast<const uint4*>(weight + static_cast<size_t>(row) * in);
    const uint4* v = reinterpret_cast<const uint4*>(x);
    const auto halves = [](uint32_t low, uint32_t high) {
        return make_uint4(small_halves(low), small_halves(low >> 16), small_halves(high), small_halves(high >> 16));
    };
    float sum = 0;
#pragma unroll 2
    for (int i = lane; i < in / 16; i += warp_threads) {
        const uint4 sixteen = w[i];
        sum += product(halves(sixteen.x, sixteen.y), v[2 * i]) + product(halves(sixteen.z, sixteen.w), v[2 * i + 1]);
    }
    sum = warp_sum(sum);
    if (lane == 0)
        finish(sum * larger * scales[row], to, added, row);
}

constexpr int warm_threads = 256;
constexpr size_t line = 128;

__global__ void __launch_bounds__(warm_threads) warm_kernel(const char* from, size_t lines) {
    const size_t i = static_cast<size_t>(blockIdx.x) * warm_threads + threadIdx.x;
    if (i < lines)
        prefetch(from + i * line);
}

} // namespace

void warm(const void* weight, size_t bytes, cudaStream_t stream) {
    const size_t lines = bytes / line;
    launch(warm_kernel, dim3(static_cast<unsigned>(blocks_for<size_t>(lines, warm_threads))), warm_threads, 0, stream,
           static_cast<const char*>(weight), lines);
}

void matvec(const Factor& weight, const __half* x, __half* to, float* added, int in, int out, cudaStream_t stream) {
    const dim3 blocks(static_cast<unsigned>(blocks_for(out, warps)));
    if (weight.scales)
        launch(eights_matvec_kernel, blocks, warps * warp_threads, 0, stream,
               static_cast<const uint8_t*>(weight.numbers), weight.scales, x, to, added, in, out);
    else
        launch(matvec_kernel, blocks, warps * warp_threads, 0, stream, static_cast<const __half*>(weight.numbers), x,
               to, added, in, out);
}

} // namespace longread::gpu
