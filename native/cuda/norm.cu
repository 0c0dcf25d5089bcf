#include "cuda/check.cuh"
#include "cuda/norm.cuh"

namespace longread::gpu {
namespace {

constexpr int warps = 8;

// A warp a row. The row is read twice; the second time from the cache.
__global__ void __launch_bounds__(warps* warp_threads)
    norm_kernel(const float* x, const float* weight, __half* to, int rows, int width, float epsilon) {
    const int row = static_cast<int>(blockIdx.x * warps + threadIdx.x / warp_threads);
    const int lane = static_cast<int>(threadIdx.x % warp_threads);
    if (row >= rows) // the whole warp
        return;
    const float4* from = reinterpret_cast<const float4*>(x + static_cast<size_t>(row) * width);
    const float4* scales = reinterpret_cast<const float4*>(weight);
    uint2* out = reinterpret_cast<uint2*>(to + static_cast<size_t>(row) * width);
    float squares = 0;
    for (int i = lane; i < width / 4; i += warp_threads) {
        const float4 v = from[i];
        squares += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
    }
    const float scale = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(width) + epsilon);
    for (int i = lane; i < width / 4; i += warp_threads) {
        const float4 v = from[i], w = scales[i];
        uint2 packed;
        packed.x = packed_halves(v.x * scale * w.x, v.y * scale * w.y);
        packed.y = packed_halves(v.z * scale * w.z, v.w * scale * w.w);
        out[i] = packed;
    }
}

constexpr int wide_threads = 256;
constexpr int few_rows = 132; // the multiprocessors of an H100

// A block of threads a row, where there are too few for the GPU otherwise.
__global__ void __launch_bounds__(wide_threads)
    wide_norm_kernel(const float* x, const float* weight, __half* to, int width, float epsilon) {
    __shared__ float sums[wide_threads / warp_threads];
    const int thread = static_cast<int>(threadIdx.x);
    const float4* from = reinterpret_cast<const float4*>(x + static_cast<size_t>(blockIdx.x) * width);
    const float4* scales = reinterpret_cast<const float4*>(weight);
    uint2* out = reinterpret_cast<uint2*>(to + static_cast<size_t>(blockIdx.x) * width);
    float squares = 0;
    for (int i = thread; i < width / 4; i += wide_threads) {
        const float4 v = from[i];
        squares += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
    }
    squares = warp_sum(squares);
    if (thread % warp_threads == 0)
        sums[thread / warp_threads] = squares;
    __syncthreads();
    squares = 0;
    for (float part : sums)
        squares += part;
    const float scale = 1.0f / sqrtf(squares / static_cast<float>(width) + epsilon);
    for (int i = thread; i < width / 4; i += wide_threads) {
        const float4 v = from[i], w = scales[i];
        uint2 packed;
        packed.x = packed_halves(v.x * scale * w.x, v.y * scale * w.y);
        packed.y = packed_halves(v.z * scale * w.z, v.w * scale * w.w);
        out[i] = packed;
    }
}

} // namespace

void norm(const float* x, const float* weight, __half* to, int rows, int width, float epsilon, cudaStream_t stream) {
    if (rows < few_rows) {
        launch(wide_norm_kernel, dim3(static_cast<unsigned>(rows)), wide_threads, 0, stream, x, weight, to, width,
               epsilon);
        return;
    }
    launch(norm_kernel, dim3(static_cast<unsigned>(blocks_for(rows, warps))), warps * warp_threads, 0, stream, x,
           weight, to, rows, width, epsilon);
}

} // namespace longread::gpu
