// Attention of packed rows: the query heads that share a key head are neighbouring rows of a tile, so that their keys
// are fetched once. A block of threads computes a tile's part over some blocks of keys (split, arXiv 2311.01282).
#include "cuda/attention-tile.cuh"
#include "cuda/check.cuh"
#include "cuda/infllm.cuh"

namespace longread::gpu {
namespace {

constexpr int block_keys = 64, tile_rows = 128;
constexpr float log2_of_e = 1.44269504f;

struct PartArguments {
    const __half *queries, *keys, *values; // [row][head][head_size], [row][width]
    const StreamBlock* block;
    const int32_t* table; // of the far part, or null: the window's
    const FarPart* far;
    int rows, splits;
    StreamLayout layout;
    float *partial, *logs;
};

// Where what a row sees ends: of the window, whose keys are slots, that many keys behind the oldest one it sees; of the
// far part, whose keys are places in the table, it sees all before that.
template <bool Far> struct Sight {
    int end_of_first, least, most; // of the far part: the end for row 0, if it were between these

    __device__ Sight(const PartArguments& a) : end_of_first(a.block->slot + 1), least(0), most(0) {
        if (Far) {
            least = a.far->fixed;
            most = a.far->total;
            end_of_first += least - a.layout.n_local - a.block->start;
        }
    }
    __device__ int end(int row) const { return Far ? min(most, max(least, end_of_first + row)) : end_of_first + row; }
};

template <int HeadSize> using WarpTile = AttentionTile<HeadSize, 2, block_keys>;
template <int HeadSize> using GroupTile = AttentionGroup<HeadSize, block_keys, tile_rows>;

template <int HeadSize, typename Tile, bool Far>
__global__ void __launch_bounds__(tile_rows / Tile::rows * Tile::threads, 2) part_kernel(PartArguments a) {
    constexpr int threads = tile_rows / Tile::rows * Tile::threads;
    constexpr int pieces = HeadSize / 8, block_halves = block_keys * HeadSize;
    LONGREAD_DYNAMIC_SHARED(memory);
    __half* queries = reinterpret_cast<__half*>(memory);
    __half* stages = queries + tile_rows * HeadSize;

    const StreamLayout& l = a.layout;
    const int tile = static_cast<int>(blockIdx.x) / a.splits, split = static_cast<int>(blockIdx.x) % a.splits;
    const int key_head = static_cast<int>(blockIdx.y), group = l.group();
    const int lane = static_cast<int>(threadIdx.x % warp_threads);
    const int first = tile * tile_rows, count = min(tile_rows, a.rows * group - first);
    const Sight<Far> sight(a);

    // Blocks of keys that this tile needs, and of those this split's.
    const int first_token = first / group, last_token = (first + count - 1) / group;
    const int oldest = Far ? 0 : max(0, sight.end(first_token) - l.n_local) / block_keys;
    const int end_key = sight.end(last_token);
    const int needed = max(0, (end_key + block_keys - 1) / block_keys - oldest);
    const int from = oldest + needed * split / a.splits, to = oldest + needed * (split + 1) / a.splits;

    const uint32_t width = static_cast<uint32_t>(l.width());
    const size_t query_stride = static_cast<size_t>(l.heads) * HeadSize;
    const auto head_of = [&](int row) { return key_head * group + row % group; };
    using Own = Copying<HeadSize, threads>;
    constexpr int each = block_keys / Own::step, step_halves = Own::step * Tile::row_halves;
    // Of the far part: rows of a block's keys, fetched two blocks before they are, so that no copy waits for its place.
    __shared__ int places[4][Far ? block_keys : 1];
    const auto load_places = [&](int block) {
        const int key = block * block_keys + static_cast<int>(threadIdx.x);
        if (Far && threadIdx.x < block_keys)
            cp_async_word(&places[block & 3][threadIdx.x], a.table + (key < end_key ? key : 0), key < end_key);
    };
    const auto load = [&](int block) {
        __half* stage = stages + (block & 1) * 2 * block_halves + Tile::key_place(Own::row(), Own::piece());
        const int column = key_head * HeadSize + Own::piece() * 8;
#pragma unroll
        for (int j = 0; j < each; ++j) {
            const int row = Own::row() + j * Own::step, key = block * block_keys + row;
            const bool valid = key < end_key;
            const int at = Far ? places[block & 3][row] : valid ? key : 0; // no key: 0
            const size_t offset = static_cast<size_t>(static_cast<uint32_t>(at)) * width + column;
            cp_async(stage + j * step_halves, a.keys + offset, valid);
            cp_async(stage + block_halves + j * step_halves, a.values + offset, valid);
        }
        load_places(block + 2);
        cp_async_commit();
    };

    typename Tile::State state;
    state.begin();
    if (from < to) { // the same for all threads
        for (int i = static_cast<int>(threadIdx.x); i < tile_rows * pieces; i += threads) {
            const int row = i / pieces, piece = i % pieces;
            const bool valid = row < count;
            const int at = first + (valid ? row : 0);
            cp_async(queries + Tile::query_place(row, piece),
                     a.queries + at / group * query_stride + head_of(at) * HeadSize + piece * 8, valid);
        }
        if (Far) {
            load_places(from);
            load_places(from + 1);
            cp_async_commit();
            cp_async_wait<0>();
            __syncthreads();
        }
        load(from); // one group with the queries
    }
    // Behind the last key that any row of this warp, or warpgroup, sees; that all see; that this thread's rows see.
    const int own_row = static_cast<int>(threadIdx.x) / Tile::threads * Tile::rows;
    const int left = min(Tile::rows, count - own_row);
    const int any_end = left > 0 ? sight.end((first + own_row + left - 1) / group) : 0;
    const int all_end = sight.end((first + own_row) / group);
    int ends[Tile::sixteens][2];
#pragma unroll
    for (int m = 0; m < Tile::sixteens; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half)
            ends[m][half] = sight.end((first + own_row + Tile::row_of(m, half)) / group);
    for (int block = from; block < to; ++block) {
        if (block + 1 < to) {
            load(block + 1);
            cp_async_wait<1>();
        } else {
            cp_async_wait<0>();
        }
        Tile::copied();
        __syncthreads(); // every thread's copies are there
        const int key = block * block_keys;
        if (key < any_end && (Far || key + block_keys > all_end - l.n_local)) {
            const __half* stage = stages + (block & 1) * 2 * block_halves;
            typename Tile::Scores scores;
            Tile::multiply(scores, queries, own_row, stage);
            if (key + block_keys > all_end || (!Far && key < any_end - l.n_local)) {
#pragma unroll
                for (int m = 0; m < Tile::sixteens; ++m)
#pragma unroll
                    for (int n = 0; n < block_keys / 8; ++n)
#pragma unroll
                        for (int e = 0; e < 4; ++e) {
                            const int before = ends[m][e / 2] - (key + n * 8 + lane % 4 * 2 + e % 2);
                            if (before < 1 || (!Far && before > l.n_local))
                                scores[m][n][e] = -INFINITY;
                        }
            }
            Tile::add(state, scores, stage + block_halves, l.scale * log2_of_e);
        }
        __syncthreads(); // before the block is overwritten
    }

#pragma unroll
    for (int m = 0; m < Tile::sixteens; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const float sum = state.sum_of(2 * m + half);
            const int row = first + own_row + Tile::row_of(m, half);
            if (row - first >= count)
                continue;
            const size_t at =
                (static_cast<size_t>(split) * a.rows + row / group) * static_cast<size_t>(l.heads) + head_of(row);
            const float inverse = sum > 0 ? 1.0f / sum : 0.0f;
            float2* out = reinterpret_cast<float2*>(a.partial + at * HeadSize);
#pragma unroll
            for (int n = 0; n < HeadSize / 8; ++n)
                out[n * 4 + lane % 4] =
                    make_float2(state.mixed[m][n][2 * half] * inverse, state.mixed[m][n][2 * half + 1] * inverse);
            if (lane % 4 == 0)
                a.logs[at] = sum > 0 ? state.most[2 * m + half] * l.scale * log2_of_e + log2f(sum) : -INFINITY;
        }
}

template <int HeadSize, typename Tile> void start_with(const PartArguments& a, cudaStream_t stream) {
    const auto kernel = a.table ? part_kernel<HeadSize, Tile, true> : part_kernel<HeadSize, Tile, false>;
    const size_t bytes = static_cast<size_t>(tile_rows + 4 * block_keys) * HeadSize * sizeof(__half);
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(bytes)),
          "the GPU has too little shared memory");
    const int tiles = blocks_for(a.rows * a.layout.group(), tile_rows);
    launch(kernel, dim3(static_cast<unsigned>(tiles * a.splits), static_cast<unsigned>(a.layout.key_heads)),
           tile_rows / Tile::rows * Tile::threads, bytes, stream, a);
}

template <int HeadSize> void start_of(const PartArguments& a, cudaStream_t stream) {
    // Fewer rows than a group has leave most of it idle.
    if (a.rows * a.layout.group() >= group_rows && has_group_products())
        start_with<HeadSize, GroupTile<HeadSize>>(a, stream);
    else
        start_with<HeadSize, WarpTile<HeadSize>>(a, stream);
}

void start(const PartArguments& a, cudaStream_t stream) {
    if (a.layout.head_size == 64)
        start_of<64>(a, stream);
    else
        start_of<128>(a, stream);
}

constexpr int merge_warps = 8;

// A warp a head of a row.
template <int HeadSize>
__global__ void __launch_bounds__(merge_warps* warp_threads)
    merge_kernel(Parts window, Parts far, int rows, int heads, __half* to, float* log_sums) {
    const int item = static_cast<int>(blockIdx.x * merge_warps + threadIdx.x / warp_threads);
    const int lane = static_cast<int>(threadIdx.x % warp_threads);
    if (item >= rows * heads) // the whole warp
        return;
    constexpr int each = HeadSize / 32;
    const auto at = [&](const Parts& p, int split) { return static_cast<size_t>(split) * p.rows * heads + item; };
    // A thread has the logarithm of one part of both, then its share.
    const auto log_of = [&](const Parts& p) { return lane < p.splits ? p.logs[at(p, lane)] : -INFINITY; };
    float near_share = log_of(window), far_share = log_of(far);
    const float most = warp_max(fmaxf(near_share, far_share)); // a token always sees itself
    near_share = power_of_two(near_share - most);
    far_share = power_of_two(far_share - most);
    const float sum = warp_sum(near_share + far_share);
    float mixed[each] = {};
    const auto add = [&](const Parts& p, float shares) {
#pragma unroll 4
        for (int s = 0; s < p.splits; ++s) {
            const float share = __shfl_sync(whole_warp, shares, s);
            const float2* from = reinterpret_cast<const float2*>(p.partial + at(p, s) * HeadSize) + lane * (each / 2);
#pragma unroll
            for (int j = 0; j < each / 2; ++j) {
                const float2 x = from[j]; // zeros where nothing is seen
                mixed[2 * j] += share * x.x;
                mixed[2 * j + 1] += share * x.y;
            }
        }
    };
    add(window, near_share);
    add(far, far_share);
    uint32_t* out = reinterpret_cast<uint32_t*>(to + static_cast<size_t>(item) * HeadSize);
#pragma unroll
    for (int j = 0; j < each; j += 2)
        out[(lane * each + j) / 2] = packed_halves(mixed[j] / sum, mixed[j + 1] / sum);
    if (lane == 0)
        log_sums[item] = most + log2f(sum);
}

} // namespace

void attend_window(const __half* near, const StreamBlock* block, int rows, int splits, const StreamLayout& layout,
                   const StreamLayer& layer, float* partial, float* logs, cudaStream_t stream) {
    start({near, layer.rotated, layer.values + static_cast<size_t>(layout.window_row) * layout.width(), block, nullptr,
           nullptr, rows, splits, layout, partial, logs},
          stream);
}

void attend_far(const __half* far, const StreamBlock* block, int rows, int splits, const LookUpArrays& found,
                const StreamLayout& layout, const StreamLayer& layer, float* partial, float* logs,
                cudaStream_t stream) {
    start({far, layer.keys, layer.values, block, found.table, found.far, rows, splits, layout, partial, logs}, stream);
}

void merge_parts(const Parts& window, const Parts& far, int rows, const StreamLayout& layout, __half* to,
                 float* log_sums, cudaStream_t stream) {
    if (window.splits > most_splits || far.splits > most_splits)
        throw std::runtime_error("too many parts");
    launch(layout.head_size == 64 ? merge_kernel<64> : merge_kernel<128>,
           dim3(static_cast<unsigned>(blocks_for(rows * layout.heads, merge_warps))), merge_warps * warp_threads, 0,
           stream, window, far, rows, layout.heads, to, log_sums);
}

} // namespace longread::gpu
