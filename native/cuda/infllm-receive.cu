// What each token of the window receives: a block of threads has some keys of one head, goes over the queries with
// tensor cores, and sums each key's shares, whose logarithms of sums are known by then. Keys are the rows of the
// products and stay in registers, so that a thread has few sums, and queries are fetched once for many keys.
#include "cuda/attention-tile.cuh"
#include "cuda/check.cuh"
#include "cuda/infllm.cuh"

namespace longread::gpu {
namespace {

constexpr int tile_keys = 128;
constexpr int stage_rows = 64; // queries in shared memory at once, twice
constexpr float log2_of_e = 1.44269504f;

// Keys of a warp: a thread has some of their dims.
template <int HeadSize> struct WarpKeys : WarpRows<HeadSize, 2> {
    using WarpRows<HeadSize, 2>::sixteens;
    static constexpr int at_once = 16, blocks = 4;
    uint32_t keys[sixteens][HeadSize / 16][4];

    __device__ void take(const __half* from, int row) {
        const int lane = static_cast<int>(threadIdx.x % warp_threads);
#pragma unroll
        for (int m = 0; m < sixteens; ++m)
#pragma unroll
            for (int k = 0; k < HeadSize / 16; ++k)
                ldmatrix(keys[m][k], from + place<HeadSize>(row + m * 16 + lane % 16, k * 2 + lane / 16));
    }
    // With `at_once` queries from `row` on.
    __device__ void multiply(float (&scores)[sixteens][at_once / 8][4], const __half* queries, int row) const {
        const int lane = static_cast<int>(threadIdx.x % warp_threads);
#pragma unroll
        for (int m = 0; m < sixteens; ++m)
#pragma unroll
            for (int e = 0; e < 4; ++e)
                scores[m][0][e] = scores[m][1][e] = 0;
#pragma unroll
        for (int k = 0; k < HeadSize / 16; ++k) {
            uint32_t q[4]; // rows 0-7 and their dims 0-7, 8-15; rows 8-15 and theirs
            ldmatrix(q, queries + place<HeadSize>(row + lane / 16 * 8 + lane % 8, k * 2 + lane / 8 % 2));
#pragma unroll
            for (int m = 0; m < sixteens; ++m) {
                mma(scores[m][0], keys[m][k], q[0], q[1]);
                mma(scores[m][1], keys[m][k], q[2], q[3]);
            }
        }
    }
};

// Keys of a warpgroup, with all queries of a stage at once.
template <int HeadSize> struct GroupKeys : GroupRows {
    static constexpr int at_once = stage_rows, blocks = HeadSize == 64 ? 3 : 2;
    uint32_t keys[HeadSize / 16][4];

    __device__ void take(const __half* from, int row) {
        const int thread = static_cast<int>(threadIdx.x % group_threads), lane = thread % warp_threads;
#pragma unroll
        for (int k = 0; k < HeadSize / 16; ++k)
            ldmatrix(keys[k],
                     from + panel_place<tile_keys>(row + thread / warp_threads * 16 + lane % 16, k * 2 + lane / 16));
    }
    __device__ void multiply(float (&scores)[1][at_once / 8][4], const __half* queries, int) const {
        group_products<HeadSize, stage_rows>(scores[0], keys, queries);
    }
};

// Scores of what queries at slots from `at` on do not see, of keys from `first` on.
template <typename Keys>
__device__ inline void hide(float (&scores)[Keys::sixteens][Keys::at_once / 8][4], int first, int at, int n_local) {
    const int lane = static_cast<int>(threadIdx.x % warp_threads);
#pragma unroll
    for (int m = 0; m < Keys::sixteens; ++m)
#pragma unroll
        for (int n = 0; n < Keys::at_once / 8; ++n)
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int key = first + Keys::row_of(m, e / 2), query = at + n * 8 + lane % 4 * 2 + e % 2;
                if (key > query || key <= query - n_local)
                    scores[m][n][e] = -INFINITY;
            }
}

// queries: [row][head][head_size] of the block. The keys that a block of threads has are those of slots from
// (first needed / tile_keys + its number) * tile_keys on.
template <int HeadSize, typename Keys>
__global__ void __launch_bounds__(tile_keys / Keys::rows * Keys::threads, Keys::blocks)
    receive_kernel(const __half* queries, const float* log_sums, const StreamBlock* block, StreamLayout l,
                   const __half* rotated, float* received) {
    constexpr int threads = tile_keys / Keys::rows * Keys::threads;
    using Own = Copying<HeadSize, threads>;
    constexpr int step_halves = Own::step * Keys::row_halves;
    LONGREAD_DYNAMIC_SHARED(memory);
    __half* stages = reinterpret_cast<__half*>(memory); // the keys first, then queries
    __shared__ __align__(8) float logs[2][stage_rows];  // infinite for rows that are not there

    const StreamBlock b = *block;
    const int head = static_cast<int>(blockIdx.y), key_head = head / l.group();
    const int lane = static_cast<int>(threadIdx.x % warp_threads);
    const int oldest = max(0, b.slot - l.n_local + 1) / tile_keys;
    const int first = (oldest + static_cast<int>(blockIdx.x)) * tile_keys, end = b.slot + b.rows;
    if (first >= end) // the whole block
        return;
    const size_t width = static_cast<size_t>(l.width());
    const uint32_t stride = static_cast<uint32_t>(l.heads) * HeadSize;
    const int column = Own::piece() * 8, key_place = Keys::template place_of<tile_keys>(Own::row(), Own::piece());
#pragma unroll
    for (int j = 0; j < tile_keys / Own::step; ++j) {
        const int key = first + Own::row() + j * Own::step;
        cp_async(stages + key_place + j * step_halves,
                 rotated + static_cast<size_t>(key < end ? key : 0) * width + key_head * HeadSize + column, key < end);
    }
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads(); // every thread's copies are there
    // Of this warp, or warpgroup.
    const int own_row = static_cast<int>(threadIdx.x) / Keys::threads * Keys::rows;
    const int own_first = first + own_row, own_last = own_first + Keys::rows - 1;
    Keys keys;
    keys.take(stages, own_row);
    __syncthreads(); // before queries take their place

    const int own_place = Keys::template place_of<stage_rows>(Own::row(), Own::piece());
    const __half* own_queries = queries + static_cast<size_t>(head) * HeadSize + column;
    const auto load = [&](int from) {
        const int half = from / stage_rows & 1;
        __half* stage = stages + half * stage_rows * HeadSize + own_place;
#pragma unroll
        for (int j = 0; j < stage_rows / Own::step; ++j) {
            const int row = from + Own::row() + j * Own::step;
            const bool valid = row < b.rows;
            cp_async(stage + j * step_halves,
                     own_queries + static_cast<uint64_t>(static_cast<uint32_t>(valid ? row : 0)) * stride, valid);
        }
        cp_async_commit();
        for (int row = static_cast<int>(threadIdx.x); row < stage_rows; row += threads)
            logs[half][row] =
                from + row < b.rows ? log_sums[static_cast<size_t>(from + row) * l.heads + head] : INFINITY;
    };
    // Rows that see any of these keys: slots first … first + tile_keys - 1 + n_local - 1.
    const int begin_row = max(0, first - b.slot) / stage_rows * stage_rows;
    const int end_row = min(b.rows, first + tile_keys - 1 + l.n_local - b.slot);
    const float scale = l.scale * log2_of_e;
    float mine[Keys::sixteens][2] = {};
    if (begin_row < end_row)
        load(begin_row);
    for (int from = begin_row; from < end_row; from += stage_rows) {
        if (from + stage_rows < end_row) {
            load(from + stage_rows);
            cp_async_wait<1>();
        } else {
            cp_async_wait<0>();
        }
        Keys::copied();
        __syncthreads(); // every thread's copies and logarithms are there
        const int half = from / stage_rows & 1, at_first = b.slot + from, at_last = at_first + stage_rows - 1;
        const __half* stage = stages + half * stage_rows * HeadSize;
        const bool any = own_first <= at_last && own_last > at_first - l.n_local;
        const bool all = own_last <= at_first && own_first > at_last - l.n_local;
#pragma unroll 2
        for (int row = 0; any && row < stage_rows; row += Keys::at_once) {
            float scores[Keys::sixteens][Keys::at_once / 8][4];
            keys.multiply(scores, stage, row);
            if (!all)
                hide<Keys>(scores, own_first, at_first + row, l.n_local);
#pragma unroll
            for (int n = 0; n < Keys::at_once / 8; ++n) {
                const float2 log_sum = *reinterpret_cast<const float2*>(&logs[half][row + n * 8 + lane % 4 * 2]);
#pragma unroll
                for (int m = 0; m < Keys::sixteens; ++m)
#pragma unroll
                    for (int e = 0; e < 4; ++e)
                        mine[m][e / 2] += power_of_two(scores[m][n][e] * scale - (e % 2 ? log_sum.y : log_sum.x));
            }
        }
        __syncthreads(); // before the rows are overwritten
    }
    // Over the four threads that have the same keys.
#pragma unroll
    for (int m = 0; m < Keys::sixteens; ++m)
#pragma unroll
        for (int below = 0; below < 2; ++below) {
            float sum = mine[m][below];
            sum += __shfl_xor_sync(whole_warp, sum, 1);
            sum += __shfl_xor_sync(whole_warp, sum, 2);
            const int key = own_first + Keys::row_of(m, below);
            if (lane % 4 == 0 && key < end)
                received[static_cast<size_t>(head) * l.capacity + key] += sum;
        }
}

template <int HeadSize, typename Keys>
void start_with(const __half* near, const float* log_sums, const StreamBlock* block, int rows, const StreamLayout& l,
                const StreamLayer& layer, cudaStream_t stream) {
    const auto kernel = receive_kernel<HeadSize, Keys>;
    static_assert(tile_keys <= 2 * stage_rows);
    constexpr size_t bytes = size_t{2} * stage_rows * HeadSize * sizeof(__half);
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(bytes)),
          "the GPU has too little shared memory");
    // One more than the keys fill, for where they begin within a tile.
    const int tiles = blocks_for(l.n_local - 1 + rows, tile_keys) + 1;
    launch(kernel, dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(l.heads)),
           tile_keys / Keys::rows * Keys::threads, bytes, stream, near, log_sums, block, l, layer.rotated,
           layer.received);
}

// Of one query alone:
constexpr int warps = 4, threads = warps * warp_threads;
constexpr int row_keys = 8; // of a warp at a time: four threads have one
constexpr int row_block_keys = warps * row_keys * 2;

// A block of threads has some keys of a key head, and all of its heads.
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
    const auto start = layout.head_size == 64
                           ? has_group_products() ? start_with<64, GroupKeys<64>> : start_with<64, WarpKeys<64>>
                       : has_group_products() ? start_with<128, GroupKeys<128>>
                                              : start_with<128, WarpKeys<128>>;
    start(near, log_sums, block, rows, layout, layer, stream);
}

} // namespace longread::gpu
