// What each token of the window receives: a block of threads has some keys and one head, goes over the block's queries
// with tensor cores, and sums each key's shares, whose logarithms of sums are known by then.
#include "cuda/attention-tile.cuh"
#include "cuda/check.cuh"
#include "cuda/infllm.cuh"

namespace longread::gpu {
namespace {

constexpr int sixteens = 2, tile_keys = 64, warps = 4;
constexpr int warp_rows = sixteens * 16, block_rows = warps * warp_rows, threads = warps * warp_threads;
constexpr float log2_of_e = 1.44269504f;

// queries: [row][head][head_size] of the block. The keys that a block of threads has are those of slots from
// (first needed / tile_keys + its number) * tile_keys on.
template <int HeadSize>
__global__ void __launch_bounds__(threads)
    receive_kernel(const __half* queries, const float* log_sums, const StreamBlock* block, StreamLayout l,
                   const __half* rotated, float* received) {
    using Tile = AttentionTile<HeadSize, sixteens, tile_keys>;
    constexpr int pieces = HeadSize / 8;
    LONGREAD_DYNAMIC_SHARED(memory);
    __half* keys = reinterpret_cast<__half*>(memory);
    __half* stages = keys + tile_keys * HeadSize;
    __shared__ float sums[warps][tile_keys];

    const StreamBlock b = *block;
    const int head = static_cast<int>(blockIdx.y), key_head = head / l.group();
    const int warp = static_cast<int>(threadIdx.x / warp_threads), lane = static_cast<int>(threadIdx.x % warp_threads);
    const int oldest = max(0, b.slot - l.n_local + 1) / tile_keys;
    const int first = (oldest + static_cast<int>(blockIdx.x)) * tile_keys, end = b.slot + b.rows;
    if (first >= end) // the whole block
        return;
    const size_t width = static_cast<size_t>(l.width()), stride = static_cast<size_t>(l.heads) * HeadSize;
    for (int i = static_cast<int>(threadIdx.x); i < tile_keys * pieces; i += threads) {
        const int row = i / pieces, piece = i % pieces;
        const bool valid = first + row < end;
        cp_async(keys + place<HeadSize>(row, piece),
                 rotated + static_cast<size_t>(valid ? first + row : 0) * width + key_head * HeadSize + piece * 8,
                 valid);
    }
    const auto load = [&](int from) {
        __half* stage = stages + from / block_rows % 2 * block_rows * HeadSize;
        for (int i = static_cast<int>(threadIdx.x); i < block_rows * pieces; i += threads) {
            const int row = i / pieces, piece = i % pieces;
            if (from + row < b.rows) // nothing is taken from other rows
                cp_async(stage + place<HeadSize>(row, piece),
                         queries + static_cast<size_t>(from + row) * stride + head * HeadSize + piece * 8, true);
        }
        cp_async_commit();
    };
    // Rows that see any of these keys: slots first … first + tile_keys - 1 + n_local - 1.
    const int begin_row = max(0, first - b.slot) / block_rows * block_rows;
    const int end_row = min(b.rows, first + tile_keys - 1 + l.n_local - b.slot);
    float mine[tile_keys / 8][2] = {};
    if (begin_row < end_row)
        load(begin_row); // one group with the keys
    for (int from = begin_row; from < end_row; from += block_rows) {
        if (from + block_rows < end_row) {
            load(from + block_rows);
            cp_async_wait<1>();
        } else {
            cp_async_wait<0>();
        }
        __syncthreads(); // every thread's copies are there
        const int warp_row = from + warp * warp_rows;
        if (warp_row < end_row) {
            typename Tile::Scores scores = {};
            Tile::multiply(scores, stages + from / block_rows % 2 * block_rows * HeadSize, warp * warp_rows, keys,
                           lane);
#pragma unroll
            for (int m = 0; m < sixteens; ++m)
#pragma unroll
                for (int half = 0; half < 2; ++half) {
                    const int row = warp_row + m * 16 + half * 8 + lane / 4, at = b.slot + row;
                    const bool valid = row < b.rows;
                    const float log_sum = valid ? log_sums[static_cast<size_t>(row) * l.heads + head] : 0.0f;
#pragma unroll
                    for (int n = 0; n < tile_keys / 8; ++n)
#pragma unroll
                        for (int e = 0; e < 2; ++e) {
                            const int key = first + n * 8 + lane % 4 * 2 + e;
                            if (valid && key <= at && key > at - l.n_local)
                                mine[n][e] += power_of_two(scores[m][n][2 * half + e] * l.scale * log2_of_e - log_sum);
                        }
                }
        }
        __syncthreads(); // before the rows are overwritten
    }
    // Over the eight threads of the warp that have the same keys, then over the warps.
#pragma unroll
    for (int n = 0; n < tile_keys / 8; ++n)
#pragma unroll
        for (int e = 0; e < 2; ++e) {
            float sum = mine[n][e];
            for (int step = 4; step < 32; step *= 2)
                sum += __shfl_xor_sync(whole_warp, sum, step);
            if (lane / 4 == 0)
                sums[warp][n * 8 + lane % 4 * 2 + e] = sum;
        }
    __syncthreads();
    const int key = static_cast<int>(threadIdx.x);
    if (key < tile_keys && first + key < end) {
        float sum = 0;
        for (int w = 0; w < warps; ++w)
            sum += sums[w][key];
        received[static_cast<size_t>(head) * l.capacity + first + key] += sum;
    }
}

constexpr int row_keys = 8; // of a warp at a time: four threads have one
constexpr int row_block_keys = warps * row_keys * 2;

// The same of one query alone: a block of threads has some keys of a key head, and all of its heads.
template <int HeadSize>
__global__ void __launch_bounds__(threads)
    receive_row_kernel(const __half* query, const float* log_sums, const StreamBlock* block, StreamLayout l,
                       const __half* rotated, float* received) {
    constexpr int each = HeadSize / 32; // pieces of 8 halves that a thread has of a key
    LONGREAD_DYNAMIC_SHARED(memory);
    float* queries = reinterpret_cast<float*>(memory); // [head of the group][head_size]
    const int key_head = static_cast<int>(blockIdx.y), group = l.group(), first_head = key_head * group;
    const int warp = static_cast<int>(threadIdx.x / warp_threads), lane = static_cast<int>(threadIdx.x % warp_threads);
    const int slot = block->slot, oldest = max(0, slot - l.n_local + 1);
    const int first = oldest + static_cast<int>(blockIdx.x) * row_block_keys;
    if (first > slot) // the whole block
        return;
    for (int i = static_cast<int>(threadIdx.x); i < group * HeadSize; i += threads)
        queries[i] = __half2float(query[static_cast<size_t>(first_head) * HeadSize + i]);
    __syncthreads();
    for (int turn = 0; turn < 2; ++turn) {
        const int key = first + (turn * warps + warp) * row_keys + lane / 4;
        const __half* from =
            rotated + static_cast<size_t>(min(key, slot)) * l.width() + key_head * HeadSize + lane % 4 * 8;
        float k[each * 8];
#pragma unroll
        for (int j = 0; j < each; ++j) {
            const uint4 piece = *reinterpret_cast<const uint4*>(from + j * 32);
            const float2 x = unpacked_halves(piece.x), y = unpacked_halves(piece.y), z = unpacked_halves(piece.z),
                         w = unpacked_halves(piece.w);
            k[j * 8] = x.x;
            k[j * 8 + 1] = x.y;
            k[j * 8 + 2] = y.x;
            k[j * 8 + 3] = y.y;
            k[j * 8 + 4] = z.x;
            k[j * 8 + 5] = z.y;
            k[j * 8 + 6] = w.x;
            k[j * 8 + 7] = w.y;
        }
        for (int head = 0; head < group; ++head) {
            const float* q = queries + head * HeadSize + lane % 4 * 8;
            float sum = 0;
#pragma unroll
            for (int j = 0; j < each; ++j)
#pragma unroll
                for (int e = 0; e < 8; ++e)
                    sum += k[j * 8 + e] * q[j * 32 + e];
            sum += __shfl_xor_sync(whole_warp, sum, 1);
            sum += __shfl_xor_sync(whole_warp, sum, 2);
            if (lane % 4 == head % 4 && key <= slot)
                received[static_cast<size_t>(first_head + head) * l.capacity + key] +=
                    power_of_two(sum * l.scale * log2_of_e - log_sums[first_head + head]);
        }
    }
}

} // namespace

void receive(const __half* near, const float* log_sums, const StreamBlock* block, int rows, const StreamLayout& layout,
             const StreamLayer& layer, cudaStream_t stream) {
    if (rows == 1) {
        launch(layout.head_size == 64 ? receive_row_kernel<64> : receive_row_kernel<128>,
               dim3(static_cast<unsigned>(blocks_for(layout.n_local, row_block_keys)),
                    static_cast<unsigned>(layout.key_heads)),
               threads, static_cast<size_t>(layout.group() * layout.head_size) * sizeof(float), stream, near, log_sums,
               block, layout, layer.rotated, layer.received);
        return;
    }
    const auto kernel = layout.head_size == 64 ? receive_kernel<64> : receive_kernel<128>;
    const size_t bytes =
        static_cast<size_t>(tile_keys + 2 * block_rows) * static_cast<size_t>(layout.head_size) * sizeof(__half);
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(bytes)),
          "the GPU has too little shared memory");
    // One more than the keys fill, for where they begin within a tile.
    const int tiles = blocks_for(layout.n_local - 1 + rows, tile_keys) + 1;
    launch(kernel, dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(layout.heads)), threads, bytes, stream,
           near, log_sums, block, layout, layer.rotated, layer.received);
}

} // namespace longread::gpu
