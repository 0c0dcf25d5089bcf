#include "cuda/check.cuh"
#include "cuda/likelihood.cuh"

namespace longread::gpu {
namespace {

constexpr int warps = 4;

// A warp a row.
__global__ void __launch_bounds__(warps* warp_threads)
    pick_kernel(const __half* from, const int32_t* rows, __half* to, int count, int width) {
    const int row = static_cast<int>(blockIdx.x * warps + threadIdx.x / warp_threads);
    if (row >= count)
        return;
    const uint4* source = reinterpret_cast<const uint4*>(from + static_cast<size_t>(rows[row]) * width);
    uint4* target = reinterpret_cast<uint4*>(to + static_cast<size_t>(row) * width);
    for (int i = static_cast<int>(threadIdx.x % warp_threads); i < width / 8; i += warp_threads)
        target[i] = source[i];
}

// A warp a row, which it reads twice, the second time from the cache.
__global__ void __launch_bounds__(warps* warp_threads)
    logits_kernel(const float* logits, const float* bias, const int32_t* wanted, int rows, int columns, int stride,
                  int first, float* sums, float* out) {
    const int row = static_cast<int>(blockIdx.x * warps + threadIdx.x / warp_threads);
    const int lane = static_cast<int>(threadIdx.x % warp_threads);
    if (row >= rows) // the whole warp
        return;
    const float* from = logits + static_cast<size_t>(row) * stride;
    const auto logit = [&](int column) { return bias ? from[column] + bias[first + column] : from[column]; };
    float own = -INFINITY;
    for (int i = lane; i < columns; i += warp_threads)
        own = fmaxf(own, logit(i));
    const float before = first == 0 ? -INFINITY : sums[row];
    const float most = fmaxf(before, warp_max(own));
    float sum = 0;
    for (int i = lane; i < columns; i += warp_threads)
        sum += expf(logit(i) - most);
    sum = warp_sum(sum);
    if (lane != 0)
        return;
    if (first > 0)
        sum += sums[rows + row] * expf(before - most);
    const int column = wanted[row] - first;
    const float own_logit = column >= 0 && column < columns ? logit(column) : first == 0 ? 0.0f : sums[2 * rows + row];
    sums[row] = most;
    sums[rows + row] = sum;
    sums[2 * rows + row] = own_logit;
    out[row] = own_logit - most - logf(sum);
}

dim3 grid_for(int rows) { return dim3(static_cast<unsigned>(blocks_for(rows, warps))); }

} // namespace

void pick_rows(const __half* from, const int32_t* rows, __half* to, int count, int width, cudaStream_t stream) {
    launch(pick_kernel, grid_for(count), warps * warp_threads, 0, stream, from, rows, to, count, width);
}

void take_logits(const float* logits, const float* bias, const int32_t* wanted, int rows, int columns, int stride,
                 int first, float* sums, float* out, cudaStream_t stream) {
    launch(logits_kernel, grid_for(rows), warps * warp_threads, 0, stream, logits, bias, wanted, rows, columns, stride,
           first, sums, out);
}

} // namespace longread::gpu
