#include "cuda/check.cuh"
#include "cuda/rope.cuh"

namespace longread::gpu {
namespace {

constexpr int warps = 8;

// A warp a head of a row; `turned` heads of each row are worked on, the first ones.
template <int HeadSize>
__global__ void __launch_bounds__(warps* warp_threads)
    rotate_kernel(__half* qkv, const int32_t* positions, int rows, int worked, Heads h) {
    const size_t item = static_cast<size_t>(blockIdx.x) * warps + threadIdx.x / warp_threads;
    const int lane = static_cast<int>(threadIdx.x % warp_threads);
    const size_t row = item / worked;
    const int head = static_cast<int>(item % worked);
    if (row >= static_cast<size_t>(rows)) // the whole warp
        return;
    __half* from = qkv + row * h.all() * HeadSize;
    float x[HeadSize / 32];
    load_head<HeadSize>(from, h, head, lane, x);
    if (head < h.heads + h.key_heads)
        turn_head<HeadSize>(h.turns + static_cast<size_t>(positions[row]) * HeadSize, 1.0f, lane, x);
    store_head<HeadSize>(from + head * HeadSize, h.neox, lane, x);
}

// A warp a key head of a sink.
template <int HeadSize>
__global__ void __launch_bounds__(warps* warp_threads)
    shift_kernel(const __half* qkv, const LongreadShift* shifts, int count, int sinks, float length, Heads h,
                 __half* shifted) {
    const int item = static_cast<int>(blockIdx.x * warps + threadIdx.x / warp_threads);
    const int lane = static_cast<int>(threadIdx.x % warp_threads);
    const int shift = item / (sinks * h.key_heads), sink = item / h.key_heads % sinks, head = item % h.key_heads;
    if (shift >= count) // the whole warp
        return;
    const size_t row = static_cast<size_t>(shifts[shift].episode) + sink;
    Heads plain = h; // biases and norms are in the keys already
    plain.bias = plain.query_norm = plain.key_norm = nullptr;
    float x[HeadSize / 32];
    load_head<HeadSize>(qkv + row * h.all() * HeadSize, plain, h.heads + head, lane, x);
    turn_head<HeadSize>(h.turns + static_cast<size_t>(shifts[shift].shift) * HeadSize, length, lane, x);
    store_head<HeadSize>(shifted + static_cast<size_t>(item) * HeadSize, h.neox, lane, x);
}

} // namespace

void rotate(__half* qkv, const int32_t* positions, int rows, int head_size, const Heads& heads, cudaStream_t stream) {
    const int worked = heads.bias ? heads.all() : heads.heads + heads.key_heads;
    const size_t items = static_cast<size_t>(rows) * worked;
    launch(head_size == 64 ? rotate_kernel<64> : rotate_kernel<128>,
           dim3(static_cast<unsigned>(blocks_for<size_t>(items, warps))), warps * warp_threads, 0, stream, qkv,
           positions, rows, worked, heads);
}

void shift_sinks(const __half* qkv, const LongreadShift* shifts, int count, int sinks, float length, int head_size,
                 const Heads& heads, __half* shifted, cudaStream_t stream) {
    launch(head_size == 64 ? shift_kernel<64> : shift_kernel<128>,
           dim3(static_cast<unsigned>(blocks_for(count * sinks * heads.key_heads, warps))), warps * warp_threads, 0,
           stream, qkv, shifts, count, sinks, length, heads, shifted);
}

} // namespace longread::gpu
