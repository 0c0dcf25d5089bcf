// The window's memory: tokens are put there, moved to its front, and what leaves becomes sinks and units.
#include "cuda/block-max.cuh"
#include "cuda/check.cuh"
#include "cuda/infllm.cuh"

namespace longread::gpu {
namespace {

constexpr int warps = 8;

template <int HeadSize>
__device__ inline void store_turned(__half* to, const Heads& h, int position, float length, int lane,
                                    const float (&x)[HeadSize / 32]) {
    float turned[HeadSize / 32];
#pragma unroll
    for (int i = 0; i < HeadSize / 32; ++i)
        turned[i] = x[i];
    turn_head<HeadSize>(h.turns + static_cast<size_t>(position) * HeadSize, length, lane, turned);
    store_head<HeadSize>(to, h.neox, lane, turned);
}

// A warp a head of a row.
template <int HeadSize>
__global__ void __launch_bounds__(warps* warp_threads)
    place_kernel(const __half* qkv, const StreamBlock* first, int rows, int distance, StreamLayout l, Heads h,
                 __half* near, __half* far, StreamLayer to) {
    const size_t item = static_cast<size_t>(blockIdx.x) * warps + threadIdx.x / warp_threads;
    const int lane = static_cast<int>(threadIdx.x % warp_threads), head = static_cast<int>(item % h.all());
    const size_t row = item / h.all();
    if (row >= static_cast<size_t>(rows)) // the whole warp
        return;
    const int slot = first->slot + static_cast<int>(row);
    float x[HeadSize / 32];
    load_head<HeadSize>(qkv + row * h.all() * HeadSize, h, head, lane, x);
    if (head < h.heads) {
        const size_t at = (row * h.heads + head) * HeadSize;
        store_turned<HeadSize>(near + at, h, slot, 1.0f, lane, x);
        store_turned<HeadSize>(far + at, h, distance, l.stretch, lane, x);
        if (lane == 0)
            to.received[static_cast<size_t>(head) * l.capacity + slot] = 0;
        return;
    }
    const bool key = head < h.heads + h.key_heads;
    const size_t part = static_cast<size_t>(key ? head - h.heads : head - h.heads - h.key_heads) * HeadSize;
    const size_t at = static_cast<size_t>(l.window_row + slot) * l.width() + part;
    store_head<HeadSize>((key ? to.keys : to.values) + at, h.neox, lane, x);
    if (key)
        store_turned<HeadSize>(to.rotated + static_cast<size_t>(slot) * l.width() + part, h, slot, 1.0f, lane, x);
}

__device__ inline StreamLayer layer_at(const LayerRange& range, size_t i) {
    return {range.layer.keys + i * range.strides.rows, range.layer.values + i * range.strides.rows,
            range.layer.rotated + i * range.strides.rotated, range.layer.received + i * range.strides.received};
}

// A warp a key head of a slot: blockIdx.y is the layer.
template <int HeadSize>
__global__ void __launch_bounds__(warps* warp_threads)
    slide_kernel(LayerRange range, int to, int by, int count, StreamLayout l, Heads h) {
    const int item = static_cast<int>(blockIdx.x * warps + threadIdx.x / warp_threads);
    const int lane = static_cast<int>(threadIdx.x % warp_threads);
    if (item / h.key_heads >= count) // the whole warp
        return;
    const int slot = to + item / h.key_heads;
    const StreamLayer layer = layer_at(range, blockIdx.y);
    const size_t part = static_cast<size_t>(item % h.key_heads) * HeadSize;
    const size_t read = static_cast<size_t>(l.window_row + by + slot) * l.width() + part;
    const size_t write = static_cast<size_t>(l.window_row + slot) * l.width() + part;
    Heads plain = h; // biases and norms are in the keys already
    plain.bias = plain.query_norm = plain.key_norm = nullptr;
    float x[HeadSize / 32];
    load_head<HeadSize>(layer.values + read, plain, 0, lane, x);
    store_head<HeadSize>(layer.values + write, h.neox, lane, x);
    load_head<HeadSize>(layer.keys + read, plain, 0, lane, x);
    store_head<HeadSize>(layer.keys + write, h.neox, lane, x);
    store_turned<HeadSize>(layer.rotated + static_cast<size_t>(slot) * l.width() + part, h, slot, 1.0f, lane, x);
    for (int head = item % h.key_heads * l.group() + lane; head < (item % h.key_heads + 1) * l.group();
         head += warp_threads) {
        float* received = layer.received + static_cast<size_t>(head) * l.capacity;
        received[slot] = received[by + slot];
    }
}

constexpr int copy_threads = 256;

// Pieces of 16 bytes; blockIdx.y is the layer.
__global__ void __launch_bounds__(copy_threads)
    sinks_kernel(LayerRange range, int sinks, int from, size_t pieces, StreamLayout l) {
    const size_t i = static_cast<size_t>(blockIdx.x) * copy_threads + threadIdx.x;
    if (i >= pieces)
        return;
    const StreamLayer layer = layer_at(range, blockIdx.y);
    const size_t width = static_cast<size_t>(l.width()), to = static_cast<size_t>(sinks) * width / 8 + i;
    const size_t at = static_cast<size_t>(l.window_row + from) * width / 8 + i;
    reinterpret_cast<uint4*>(layer.keys)[to] = reinterpret_cast<const uint4*>(layer.keys)[at];
    reinterpret_cast<uint4*>(layer.values)[to] = reinterpret_cast<const uint4*>(layer.values)[at];
}

constexpr int represent_threads = 128;

// A block of threads a head of a layer's unit: blockIdx.x is both, blockIdx.y the unit.
__global__ void __launch_bounds__(represent_threads)
    represent_kernel(LayerRange range, const StreamUnit* units, int first, int base, __half* const* chunks,
                     StreamLayout l) {
    __shared__ bool taken[most_unit_tokens];
    __shared__ int best[most_unit_tokens];
    __shared__ unsigned long long scratch[2][warp_threads];
    const int thread = static_cast<int>(threadIdx.x), head = static_cast<int>(blockIdx.x) % l.heads;
    const size_t number = blockIdx.x / static_cast<unsigned>(l.heads);
    const StreamLayer layer = layer_at(range, number);
    const int unit = first + static_cast<int>(blockIdx.y);
    const StreamUnit u = units[unit];
    const int slot = u.first - base, count = min(l.repr_topk, u.tokens);
    const float* received = layer.received + static_cast<size_t>(head) * l.capacity + slot;
    for (int t = thread; t < u.tokens; t += represent_threads)
        taken[t] = false;
    __syncthreads();
    for (int i = 0; i < count; ++i) {
        unsigned long long mine = 0;
        for (int t = thread; t < u.tokens; t += represent_threads)
            if (!taken[t])
                mine = max(mine, candidate(rank_of(received[t]), t));
        const int t = number_of(block_most(mine, scratch[i % 2], represent_threads));
        if (thread == t % represent_threads)
            taken[t] = true; // only this thread reads it
        if (thread == 0)
            best[i] = t;
    }
    __syncthreads();
    const size_t width = static_cast<size_t>(l.width());
    const __half* keys = layer.keys + static_cast<size_t>(l.window_row + slot) * width +
                         static_cast<size_t>(head / l.group()) * l.head_size;
    const size_t layer_number = static_cast<size_t>(range.first) + number;
    __half* to = chunks[unit / units_of_chunk] +
                 ((layer_number * units_of_chunk + unit % units_of_chunk) * l.heads + head) * l.head_size;
    for (int d = thread; d < l.head_size; d += represent_threads) {
        float sum = 0;
        for (int i = 0; i < count; ++i)
            sum += __half2float(keys[static_cast<size_t>(best[i]) * width + d]) / static_cast<float>(count);
        to[d] = __float2half_rn(sum);
    }
}

unsigned whole(int x) { return static_cast<unsigned>(x); }

} // namespace

void place_tokens(const __half* qkv, const StreamBlock* first, int rows, int distance, const StreamLayout& layout,
                  const Heads& heads, __half* near, __half* far, const StreamLayer& layer, cudaStream_t stream) {
    const size_t items = static_cast<size_t>(rows) * heads.all();
    launch(layout.head_size == 64 ? place_kernel<64> : place_kernel<128>,
           dim3(static_cast<unsigned>(blocks_for<size_t>(items, warps))), warps * warp_threads, 0, stream, qkv, first,
           rows, distance, layout, heads, near, far, layer);
}

void slide_window(const LayerRange& layers, int to, int by, int count, const StreamLayout& layout, const Heads& heads,
                  cudaStream_t stream) {
    launch(layout.head_size == 64 ? slide_kernel<64> : slide_kernel<128>,
           dim3(whole(blocks_for(count * heads.key_heads, warps)), whole(layers.count)), warps * warp_threads, 0,
           stream, layers, to, by, count, layout, heads);
}

void make_sinks(const LayerRange& layers, int sinks, int from, int count, const StreamLayout& layout,
                cudaStream_t stream) {
    const size_t pieces = static_cast<size_t>(count) * layout.width() / 8;
    launch(sinks_kernel, dim3(static_cast<unsigned>(blocks_for<size_t>(pieces, copy_threads)), whole(layers.count)),
           copy_threads, 0, stream, layers, sinks, from, pieces, layout);
}

void represent_units(const LayerRange& layers, const StreamUnit* units, int first, int end, int base,
                     __half* const* chunks, const StreamLayout& layout, cudaStream_t stream) {
    launch(represent_kernel, dim3(whole(layout.heads * layers.count), whole(end - first)), represent_threads, 0, stream,
           layers, units, first, base, chunks, layout);
}

} // namespace longread::gpu
