// FlashAttention-2 (arXiv 2307.08691): a block computes one head of a tile of queries, each warp a few rows of it, over
// blocks of keys that are fetched while the block before is worked on; the softmax is kept up on the way.
#include "cuda/attention-tile.cuh"
#include "cuda/attention.cuh"
#include "cuda/check.cuh"

namespace longread::gpu {
namespace {

struct Arguments {
    const __half *qkv, *shifted;
    const LongreadTile* tiles;
    __half* to;
    int heads, key_heads;
    AttentionWindow window;
};

// Sixteens: rows of a warp, in 16s. Keys: of a block of keys. Warps: of a block of threads.
template <int HeadSize, int Sixteens, int Keys, int Warps> struct Attention {
    static constexpr int rows = Sixteens * 16 * Warps;
    static constexpr int threads = Warps * warp_threads;
    static constexpr int pieces = HeadSize / 8;
    // Halves in shared memory: the queries, and twice a block of keys and one of values.
    static constexpr int query_halves = rows * HeadSize, block_halves = Keys * HeadSize;
    static constexpr size_t shared_bytes = (query_halves + 4 * block_halves) * sizeof(__half);
    static_assert(rows == LONGREAD_TILE_ROWS, "a block computes a tile");
    static_assert(Keys >= LONGREAD_MOST_SINKS, "sinks are one block of keys");

    using Tile = AttentionTile<HeadSize, Sixteens, Keys>;
    using State = typename Tile::State;

    // A block of keys that starts at position `start`; or the sinks.
    struct Block {
        int start;
        bool sinks;
    };

    __device__ __forceinline__ static void load_queries(__half* queries, const __half* from, size_t stride, int count) {
        for (int i = static_cast<int>(threadIdx.x); i < rows * pieces; i += threads) {
            const int row = i / pieces, piece = i % pieces;
            const bool valid = row < count;
            cp_async(queries + place<HeadSize>(row, piece), from + (valid ? row : 0) * stride + piece * 8, valid);
        }
    }

    // Keys and values of positions up to `last`, zeros after it. `keys` and `values` are those of the episode's first
    // token; `sink_keys` the first sink's.
    __device__ __forceinline__ static void load_block(__half* stage, const Block& block, const __half* keys,
                                                      const __half* values, size_t stride, const __half* sink_keys,
                                                      size_t sink_stride, int sinks, int last) {
        for (int i = static_cast<int>(threadIdx.x); i < Keys * pieces; i += threads) {
            const int row = i / pieces, piece = i % pieces, at = block.start + row;
            const bool valid = at <= last && (!block.sinks || row < sinks);
            const size_t from = valid ? static_cast<size_t>(at) : 0;
            const __half* key = block.sinks ? sink_keys + from * sink_stride : keys + from * stride;
            cp_async(stage + place<HeadSize>(row, piece), key + piece * 8, valid);
            cp_async(stage + block_halves + place<HeadSize>(row, piece), values + from * stride + piece * 8, valid);
        }
    }

    // Adds a block of keys and values to what the warp has. first: position of the warp's first row.
    __device__ __forceinline__ static void add_block(State& state, const __half* queries, const __half* keys,
                                                     const __half* values, const Block& block, int warp, int lane,
                                                     int first, const AttentionWindow& window) {
        typename Tile::Scores scores = {};
        Tile::multiply(scores, queries, warp * Sixteens * 16, keys, lane);
        const int last = first + Sixteens * 16 - 1;
        if (block.sinks || block.start + Keys - 1 > first || block.start <= last - window.window)
            hide(scores, block, lane, first, window);
        Tile::add(state, scores, values, lane, window.scale * 1.44269504f);
    }

    __device__ __forceinline__ static void hide(float (&scores)[Sixteens][Keys / 8][4], const Block& block, int lane,
                                                int first, const AttentionWindow& window) {
#pragma unroll
        for (int m = 0; m < Sixteens; ++m)
#pragma unroll
            for (int n = 0; n < Keys / 8; ++n)
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    const int at = first + m * 16 + lane / 4 + e / 2 * 8;
                    const int key = block.start + n * 8 + lane % 4 * 2 + e % 2;
                    const bool seen = block.sinks ? key < window.sinks && key <= at - window.window
                                                  : key <= at && key > at - window.window;
                    if (!seen)
                        scores[m][n][e] = -INFINITY;
                }
    }

    // first: the warp's first row in its tile; to: the tile's first row.
    __device__ __forceinline__ static void store(const State& state, __half* to, size_t stride, int lane, int first,
                                                 int count) {
#pragma unroll
        for (int m = 0; m < Sixteens; ++m)
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const float sum = Tile::sum_of(state, 2 * m + half);
                const int row = first + m * 16 + half * 8 + lane / 4;
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

template <int HeadSize, int Sixteens, int Keys, int Warps>
__global__ void __launch_bounds__(Warps* warp_threads) attention_kernel(Arguments a) {
    using A = Attention<HeadSize, Sixteens, Keys, Warps>;
    LONGREAD_DYNAMIC_SHARED(memory);
    __half* queries = reinterpret_cast<__half*>(memory);
    __half* stages = queries + A::query_halves;

    const LongreadTile tile = a.tiles[blockIdx.x];
    const int head = static_cast<int>(blockIdx.y), key_head = head / (a.heads / a.key_heads);
    const int warp = static_cast<int>(threadIdx.x / warp_threads), lane = static_cast<int>(threadIdx.x % warp_threads);
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
    const int warp_row = warp * Sixteens * 16, warp_first = first + warp_row;
    const int warp_last = warp_first + Sixteens * 16 - 1;
    const bool any_sinks = a.window.sinks > 0 && last >= a.window.window;
    const int oldest = max(0, first - a.window.window + 1) / Keys;
    const int blocks = last / Keys - oldest + 1 + (any_sinks ? 1 : 0);
    const auto block_at = [&](int i) {
        typename A::Block block;
        block.sinks = any_sinks && i == 0;
        block.start = block.sinks ? 0 : (oldest + i - (any_sinks ? 1 : 0)) * Keys;
        return block;
    };
    const auto load = [&](int i) {
        A::load_block(stages + i % 2 * 2 * A::block_halves, block_at(i), keys, values, stride, sink_keys, sink_stride,
                      a.window.sinks, last);
        cp_async_commit();
    };

    typename A::State state;
    A::Tile::begin(state);
    A::load_queries(queries, a.qkv + static_cast<size_t>(tile.first_row) * stride + head * HeadSize, stride, tile.rows);
    load(0); // one group with the queries
    for (int i = 0; i < blocks; ++i) {
        if (i + 1 < blocks) {
            load(i + 1);
            cp_async_wait<1>();
        } else {
            cp_async_wait<0>();
        }
        __syncthreads(); // every thread's copies are there
        const typename A::Block block = block_at(i);
        // Rows that no query has, and blocks that are wholly after or before what the warp's rows see.
        const bool needed =
            warp_row < tile.rows &&
            (block.sinks || (block.start <= warp_last && block.start + Keys - 1 > warp_first - a.window.window));
        if (needed)
            A::add_block(state, queries, stages + i % 2 * 2 * A::block_halves,
                         stages + (i % 2 * 2 + 1) * A::block_halves, block, warp, lane, warp_first, a.window);
        __syncthreads(); // before the block is overwritten
    }
    A::store(state, a.to + (static_cast<size_t>(tile.first_row) * a.heads + head) * HeadSize,
             static_cast<size_t>(a.heads) * HeadSize, lane, warp_row, tile.rows);
}

// 32 rows a warp, 64 keys a block, 4 warps: the quickest on an H100, for both sizes of heads, of these and 32 keys, or
// 8 warps of 16 rows; three blocks a multiprocessor were slower, and queries that stay in registers a hundredth quicker
// for heads of 64.
template <int HeadSize> void start(const Arguments& arguments, int count, cudaStream_t stream) {
    const auto kernel = attention_kernel<HeadSize, 2, 64, 4>;
    using A = Attention<HeadSize, 2, 64, 4>;
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(A::shared_bytes)),
          "the GPU has too little shared memory");
    launch(kernel, dim3(static_cast<unsigned>(count), static_cast<unsigned>(arguments.heads)), A::threads,
           A::shared_bytes, stream, arguments);
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
