#include "cuda/check.cuh"
#include "cuda/norm.cuh"

namespace longread::gpu {
namespace {

constexpr int warps = 8;

// Of a row of `width` numbers every `step`th four from `first` on: what one thread does.
__device__ float part_of_squares(const float4* from, int width, int first, int step) {
    float squares = 0;
    for (int i = first; i < width / 4; i += step) {
        const float4 v = from[i];
        squares += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
    }
    return squares;
}

__device__ void put_scaled(const float4* from, const float4* scales, float scale, uint2* out, int width, int first,
                           int step) {
    for (int i = first; i < width / 4; i += step) {
        const float4 v = from[i], w = scales[i];
        uint2 packed;
        packed.x = packed_halves(v.x * scale * w.x, v.y * scale * w.y);
        packed.y = packed_halves(v.z * scale * w.z, v.w * scale * w.w);
        out[i] = packed;
    }
}

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
    const float squares = warp_sum(part_of_squares(from, width, lane, warp_threads));
    const float scale = 1.0f / sqrtf(squares / static_cast<float>(width) + epsilon);
    put_scaled(from, scales, scale, out, width, lane, warp_threads);
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
    float squares = warp_sum(part_of_squares(from, width, thread, wide_threads));
    if (thread % warp_threads == 0)
        sums[thread / warp_threads] = squares;
    __syncthreads();
    squares = 0;
    for (float part : sums)
        squares += part;
    const float scale = 1.0f / sqrtf(squares / static_cast<float>(width) + epsilon);
    put_scaled(from, scales, scale, out, width, thread, wide_threads);
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
