// What each token of the window receives: a block of threads has some keys of one head, goes over the queries with
// tensor cores, and sums each key's shares, whose logarithms of sums are known by then. Keys are the rows of the
// products and stay in registers, so that a thread has few sums, and queries are fetched once for many keys.
#include "cuda/attention-tile.cuh"
#include "cuda/check.cuh"
#include "cuda/infllm.cuh"

namespace longread::gpu {
namespace {

constexpr int sixteens = 2, warps = 4, threads = warps * warp_threads;
constexpr int warp_keys = sixteens * 16, tile_keys = warps * warp_keys;
constexpr int stage_rows = 64; // queries in shared memory at once, twice
constexpr float log2_of_e = 1.44269504f;

// queries: [row][head][head_size] of the block. The keys that a block of threads has are those of slots from
// (first needed / tile_keys + its number) * tile_keys on.
template <int HeadSize>
__global__ void __launch_bounds__(threads, 4)
    receive_kernel(const __half* queries, const float* log_sums, const StreamBlock* block, StreamLayout l,
                   const __half* rotated, float* received) {
    constexpr int pieces = HeadSize / 8, steps = HeadSize / 16;
    LONGREAD_DYNAMIC_SHARED(memory);
    __half* stages = reinterpret_cast<__half*>(memory); // the keys first, then queries
    __shared__ float logs[2][stage_rows];               // infinite for rows that are not there

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
        cp_async(stages + place<HeadSize>(row, piece),
                 rotated + static_cast<size_t>(valid ? first + row : 0) * width + key_head * HeadSize + piece * 8,
                 valid);
    }
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads(); // every thread's copies are there
    uint32_t keys[sixteens][steps][4];
#pragma unroll
    for (int m = 0; m < sixteens; ++m)
#pragma unroll
        for (int k = 0; k < steps; ++k)
            ldmatrix(keys[m][k], stages + place<HeadSize>(warp * warp_keys + m * 16 + lane % 16, k * 2 + lane / 16));
    __syncthreads(); // before queries take their place

    const auto load = [&](int from) {
        const int half = from / stage_rows % 2;
        __half* stage = stages + half * stage_rows * HeadSize;
        for (int i = static_cast<int>(threadIdx.x); i < stage_rows * pieces; i += threads) {
            const int row = i / pieces, piece = i % pieces;
            const bool valid = from + row < b.rows;
            cp_async(stage + place<HeadSize>(row, piece),
                     queries + static_cast<size_t>(valid ? from + row : 0) * stride + head * HeadSize + piece * 8,
                     valid);
        }
        cp_async_commit();
        for (int row = static_cast<int>(threadIdx.x); row < stage_rows; row += threads)
            logs[half][row] =
                from + row < b.rows ? log_sums[static_cast<size_t>(from + row) * l.heads + head] : INFINITY;
    };
    // Rows that see any of these keys: slots first … first + tile_keys - 1 + n_local - 1.
    const int begin_row = max(0, first - b.slot) / stage_rows * stage_rows;
    const int end_row = min(b.rows, first + tile_keys - 1 + l.n_local - b.slot);
    const int warp_first = first + warp * warp_keys, warp_last = warp_first + warp_keys - 1;
    const float scale = l.scale * log2_of_e;
    float mine[sixteens][2] = {}; // of keys 16 m + lane / 4 and those 8 behind it
    if (begin_row < end_row)
        load(begin_row);
    for (int from = begin_row; from < end_row; from += stage_rows) {
        if (from + stage_rows < end_row) {
            load(from + stage_rows);
            cp_async_wait<1>();
        } else {
            cp_async_wait<0>();
        }
        __syncthreads(); // every thread's copies and logarithms are there
        const int half = from / stage_rows % 2, at_first = b.slot + from, at_last = at_first + stage_rows - 1;
        const __half* stage = stages + half * stage_rows * HeadSize;
        const bool any = warp_first <= at_last && warp_last > at_first - l.n_local;
        const bool all = warp_last <= at_first && warp_first > at_last - l.n_local;
#pragma unroll 2
        for (int row = 0; any && row < stage_rows; row += 16) {
            float scores[sixteens][2][4] = {};
#pragma unroll
            for (int k = 0; k < steps; ++k) {
                uint32_t q[4]; // rows 0-7 and their dims 0-7, 8-15; rows 8-15 and theirs
                ldmatrix(q, stage + place<HeadSize>(row + lane / 16 * 8 + lane % 8, k * 2 + lane / 8 % 2));
#pragma unroll
                for (int m = 0; m < sixteens; ++m) {
                    mma(scores[m][0], keys[m][k], q[0], q[1]);
                    mma(scores[m][1], keys[m][k], q[2], q[3]);
                }
            }
#pragma unroll
            for (int n = 0; n < 2; ++n)
#pragma unroll
                for (int e = 0; e < 2; ++e) {
                    const int column = row + n * 8 + lane % 4 * 2 + e, at = at_first + column;
                    const float log_sum = logs[half][column];
#pragma unroll
                    for (int m = 0; m < sixteens; ++m)
#pragma unroll
                        for (int below = 0; below < 2; ++below) {
                            const int key = warp_first + m * 16 + below * 8 + lane / 4;
                            if (all || (key <= at && key > at - l.n_local))
                                mine[m][below] += power_of_two(scores[m][n][2 * below + e] * scale - log_sum);
                        }
                }
        }
        __syncthreads(); // before the rows are overwritten
    }
    // Over the four threads that have the same keys.
#pragma unroll
    for (int m = 0; m < sixteens; ++m)
#pragma unroll
        for (int below = 0; below < 2; ++below) {
            float sum = mine[m][below];
            sum += __shfl_xor_sync(whole_warp, sum, 1);
            sum += __shfl_xor_sync(whole_warp, sum, 2);
            const int key = warp_first + m * 16 + below * 8 + lane / 4;
            if (lane % 4 == 0 && key < end)
                received[static_cast<size_t>(head) * l.capacity + key] += sum;
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
    static_assert(tile_keys <= 2 * stage_rows);
    const size_t bytes = static_cast<size_t>(2 * stage_rows) * static_cast<size_t>(layout.head_size) * sizeof(__half);
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(bytes)),
          "the GPU has too little shared memory");
    // One more than the keys fill, for where they begin within a tile.
    const int tiles = blocks_for(layout.n_local - 1 + rows, tile_keys) + 1;
    launch(kernel, dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(layout.heads)), threads, bytes, stream,
           near, log_sums, block, layout, layer.rotated, layer.received);
}

} // namespace longread::gpu
