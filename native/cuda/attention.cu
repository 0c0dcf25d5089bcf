// FlashAttention-2 (arXiv 2307.08691): a block computes one head of a tile of queries, each warp or warpgroup a few
// rows of it, over blocks of keys that are fetched while the block before is worked on; the softmax is kept up on the
// way.
#include "cuda/attention-tile.cuh"
#include "cuda/attention.cuh"
#include "cuda/check.cuh"

namespace longread::gpu {
namespace {

constexpr int block_keys = 64;

struct Arguments {
    const __half *qkv, *shifted;
    const LongreadTile* tiles;
    __half* to;
    int heads, key_heads;
    AttentionWindow window;
};

// Tile: what a warp or warpgroup does of it.
template <int HeadSize, typename Tile_> struct Attention {
    using Tile = Tile_;
    using State = typename Tile::State;
    static constexpr int rows = LONGREAD_TILE_ROWS;
    static constexpr int threads = rows / Tile::rows * Tile::threads;
    // Halves in shared memory: the queries, and twice a block of keys and one of values.
    static constexpr int query_halves = rows * HeadSize, block_halves = block_keys * HeadSize;
    static constexpr size_t shared_bytes = (query_halves + 4 * block_halves) * sizeof(__half);
    static_assert(rows % Tile::rows == 0, "a block computes a tile");
    static_assert(block_keys >= LONGREAD_MOST_SINKS, "sinks are one block of keys");

    // A block of keys that starts at position `start`; or the sinks.
    struct Block {
        int start;
        bool sinks;
    };

    using Own = Copying<HeadSize, threads>;

    __device__ __forceinline__ static void load_queries(__half* queries, const __half* from, size_t stride, int count) {
        const int own_place = Tile::query_place(Own::row(), Own::piece());
#pragma unroll
        for (int j = 0; j < rows / Own::step; ++j) {
            const int row = Own::row() + j * Own::step;
            const bool valid = row < count;
            cp_async(queries + own_place + j * Own::step * Tile::row_halves,
                     from + (valid ? row : 0) * stride + Own::piece() * 8, valid);
        }
    }

    // Keys and values of positions up to `last`, zeros after it. `keys` and `values` are those of the episode's first
    // token; `sink_keys` the first sink's.
    __device__ __forceinline__ static void load_block(__half* stage, const Block& block, const __half* keys,
                                                      const __half* values, uint32_t stride, const __half* sink_keys,
                                                      uint32_t sink_stride, int sinks, int last) {
        const int own_place = Tile::key_place(Own::row(), Own::piece()), column = Own::piece() * 8;
#pragma unroll
        for (int j = 0; j < block_keys / Own::step; ++j) {
            const int row = Own::row() + j * Own::step, at = block.start + row;
            const bool valid = at <= last && (!block.sinks || row < sinks);
            const uint64_t from = static_cast<uint32_t>(valid ? at : 0);
            const __half* key = block.sinks ? sink_keys + from * sink_stride : keys + from * stride;
            __half* to = stage + own_place + j * Own::step * Tile::row_halves;
            cp_async(to, key + column, valid);
            cp_async(to + block_halves, values + from * stride + column, valid);
        }
    }

    // Adds a block of keys and values to what the warp, or warpgroup, has. row: its first of the tile's; first: that
    // one's position.
    __device__ __forceinline__ static void add_block(State& state, const __half* queries, const __half* keys,
                                                     const __half* values, const Block& block, int row, int first,
                                                     const AttentionWindow& window) {
        typename Tile::Scores scores;
        Tile::multiply(scores, queries, row, keys);
        const int last = first + Tile::rows - 1;
        if (block.sinks || block.start + block_keys - 1 > first || block.start <= last - window.window)
            hide(scores, block, first, window);
        Tile::add(state, scores, values, window.scale * 1.44269504f);
    }

    __device__ __forceinline__ static void hide(typename Tile::Scores& scores, const Block& block, int first,
                                                const AttentionWindow& window) {
        const int lane = static_cast<int>(threadIdx.x % warp_threads);
#pragma unroll
        for (int m = 0; m < Tile::sixteens; ++m)
#pragma unroll
            for (int n = 0; n < block_keys / 8; ++n)
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    const int at = first + Tile::row_of(m, e / 2);
                    const int key = block.start + n * 8 + lane % 4 * 2 + e % 2;
                    const bool seen = block.sinks ? key < window.sinks && key <= at - window.window
                                                  : key <= at && key > at - window.window;
                    if (!seen)
                        scores[m][n][e] = -INFINITY;
                }
    }

    // first: its first row in the tile; to: the tile's first row.
    __device__ __forceinline__ static void store(const State& state, __half* to, size_t stride, int first, int count) {
        const int lane = static_cast<int>(threadIdx.x % warp_threads);
#pragma unroll
        for (int m = 0; m < Tile::sixteens; ++m)
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const float sum = state.sum_of(2 * m + half);
                const int row = first + Tile::row_of(m, half);
                if (row >= count)
                    continue;
                const float inverse = 1.0f / sum;
                uint32_t* out = reinterpret_cast<uint32_t*>(to + row * stride);
#pragma unroll
                for (int n = 0; n < HeadSize / 8; ++n)
                    out[n * 4 + lane % 4] =
                        packed_halves(state.mixed[m][n][2 * half] * inverse, state.mixed[m][n][2 * half + 1] * inverse);
            }
    }
};

template <int HeadSize, typename A> __global__ void __launch_bounds__(A::threads, 2) attention_kernel(Arguments a) {
    LONGREAD_DYNAMIC_SHARED(memory);
    __half* queries = reinterpret_cast<__half*>(memory);
    __half* stages = queries + A::query_halves;

    const LongreadTile tile = a.tiles[blockIdx.x];
    const int head = static_cast<int>(blockIdx.y), key_head = head / (a.heads / a.key_heads);
    const size_t stride = static_cast<size_t>(a.heads + 2 * a.key_heads) * HeadSize;
    const __half* episode = a.qkv + static_cast<size_t>(tile.episode) * stride;
    const __half* keys = episode + (a.heads + key_head) * HeadSize;
    const __half* values = keys + a.key_heads * HeadSize;
    // Sinks that were not moved stand where they were read.
    const bool moved = tile.shifted >= 0;
    const size_t sink_stride = moved ? static_cast<size_t>(a.key_heads) * HeadSize : stride;
    const __half* sink_keys =
        moved ? a.shifted + static_cast<size_t>(tile.shifted) * a.window.sinks * sink_stride + key_head * HeadSize
              : keys;

    const int first = tile.first_row - tile.episode, last = first + tile.rows - 1; // positions of its queries
    // Of this warp, or warpgroup.
    const int own_row = static_cast<int>(threadIdx.x) / A::Tile::threads * A::Tile::rows, own_first = first + own_row;
    const int own_last = own_first + A::Tile::rows - 1;
    const bool any_sinks = a.window.sinks > 0 && last >= a.window.window;
    const int oldest = max(0, first - a.window.window + 1) / block_keys;
    const int blocks = last / block_keys - oldest + 1 + (any_sinks ? 1 : 0);
    const auto block_at = [&](int i) {
        typename A::Block block;
        block.sinks = any_sinks && i == 0;
        block.start = block.sinks ? 0 : (oldest + i - (any_sinks ? 1 : 0)) * block_keys;
        return block;
    };
    const auto load = [&](int i) {
        A::load_block(stages + (i & 1) * 2 * A::block_halves, block_at(i), keys, values, static_cast<uint32_t>(stride),
                      sink_keys, static_cast<uint32_t>(sink_stride), a.window.sinks, last);
        cp_async_commit();
    };

    typename A::State state;
    state.begin();
    A::load_queries(queries, a.qkv + static_cast<size_t>(tile.first_row) * stride + head * HeadSize, stride, tile.rows);
    load(0); // one group with the queries
    for (int i = 0; i < blocks; ++i) {
        if (i + 1 < blocks) {
            load(i + 1);
            cp_async_wait<1>();
        } else {
            cp_async_wait<0>();
        }
        A::Tile::copied();
        __syncthreads(); // every thread's copies are there
        const typename A::Block block = block_at(i);
        // Rows that no query has, and blocks that are wholly after or before what these rows see.
        const bool needed =
            own_row < tile.rows &&
            (block.sinks || (block.start <= own_last && block.start + block_keys - 1 > own_first - a.window.window));
        if (needed)
            A::add_block(state, queries, stages + (i & 1) * 2 * A::block_halves,
                         stages + ((i & 1) * 2 + 1) * A::block_halves, block, own_row, own_first, a.window);
        __syncthreads(); // before the block is overwritten
    }
    A::store(state, a.to + (static_cast<size_t>(tile.first_row) * a.heads + head) * HeadSize,
             static_cast<size_t>(a.heads) * HeadSize, own_row, tile.rows);
}

template <int HeadSize, typename Tile> void start_with(const Arguments& arguments, int count, cudaStream_t stream) {
    using A = Attention<HeadSize, Tile>;
    const auto kernel = attention_kernel<HeadSize, A>;
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(A::shared_bytes)),
          "the GPU has too little shared memory");
    launch(kernel, dim3(static_cast<unsigned>(count), static_cast<unsigned>(arguments.heads)), A::threads,
           A::shared_bytes, stream, arguments);
}

// Without warpgroups 32 rows a warp, 64 keys a block, 4 warps: the quickest on an H100, for both sizes of heads, of
// these and 32 keys, or 8 warps of 16 rows; three blocks a multiprocessor were slower, and queries that stay in
// registers a hundredth quicker for heads of 64.
template <int HeadSize> void start(const Arguments& arguments, int count, cudaStream_t stream) {
    if (has_group_products())
        start_with<HeadSize, AttentionGroup<HeadSize, block_keys, LONGREAD_TILE_ROWS>>(arguments, count, stream);
    else
        start_with<HeadSize, AttentionTile<HeadSize, 2, block_keys>>(arguments, count, stream);
}

} // namespace

void attention(const __half* qkv, const __half* shifted, const LongreadTile* tiles, int count,
               const AttentionWindow& window, int head_size, const Heads& heads, __half* to, cudaStream_t stream) {
    const Arguments arguments{qkv, shifted, tiles, to, heads.heads, heads.key_heads, window};
    if (head_size == 64)
        start<64>(arguments, count, stream);
    else
        start<128>(arguments, count, stream);
}

} // namespace longread::gpu
