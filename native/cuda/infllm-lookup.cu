// Which units a block of tokens sees, and where they are: scores of all units, the best of them, the places that were
// used longest ago, and the table of rows that attention goes through.
#include "cuda/block-max.cuh"
#include "cuda/check.cuh"
#include "cuda/infllm.cuh"

namespace longread::gpu {
namespace {

constexpr int mean_threads = 256;

// A block of threads has 64 dimensions of a head of one block of tokens; its threads' sums are added by pairs.
__global__ void __launch_bounds__(mean_threads)
    mean_kernel(const __half* far, const StreamBlock* blocks, int heads, int head_size, float* mean) {
    __shared__ float2 sums[mean_threads];
    const int parts = head_size / 64, head = static_cast<int>(blockIdx.x) / parts;
    const int part = static_cast<int>(blockIdx.x) % parts, thread = static_cast<int>(threadIdx.x);
    const StreamBlock b = blocks[blockIdx.y];
    const size_t stride = static_cast<size_t>(heads) * head_size,
                 at = static_cast<size_t>(head) * head_size + part * 64;
    const __half* from = far + static_cast<size_t>(b.first_row) * stride + at + thread % 32 * 2;
    float2 sum = make_float2(0, 0);
    for (int row = thread / 32; row < b.rows; row += mean_threads / 32) {
        const float2 x = unpacked_halves(*reinterpret_cast<const uint32_t*>(from + static_cast<size_t>(row) * stride));
        sum.x += x.x;
        sum.y += x.y;
    }
    sums[thread] = sum;
    __syncthreads();
    if (thread >= 32)
        return;
    for (int other = thread + 32; other < mean_threads; other += 32) {
        sum.x += sums[other].x;
        sum.y += sums[other].y;
    }
    const float share = 1.0f / static_cast<float>(b.rows);
    float2* to = reinterpret_cast<float2*>(mean + static_cast<size_t>(blockIdx.y) * stride + at);
    to[thread] = make_float2(sum.x * share, sum.y * share);
}

constexpr int score_warps = 8, most_score_blocks = 264; // two for each multiprocessor of an H100

// A warp a unit.
__global__ void __launch_bounds__(score_warps* warp_threads)
    score_kernel(const float* mean, __half* const* chunks, int layer, const StreamBlock* block, int numbers, int stride,
                 uint32_t* scores) {
    const int units = block->tokens > 0 ? block->units : 0, lane = static_cast<int>(threadIdx.x % warp_threads);
    for (int unit = static_cast<int>(blockIdx.x * score_warps + threadIdx.x / warp_threads); unit < units;
         unit += stride) {
        const __half* key = chunks[unit / units_of_chunk] +
                            (static_cast<size_t>(layer) * units_of_chunk + unit % units_of_chunk) * numbers;
        float sum = 0;
        for (int i = lane; i < numbers / 8; i += warp_threads) {
            const uint4 k = reinterpret_cast<const uint4*>(key)[i];
            const float4 a = reinterpret_cast<const float4*>(mean)[2 * i],
                         b = reinterpret_cast<const float4*>(mean)[2 * i + 1];
            const float2 x = unpacked_halves(k.x), y = unpacked_halves(k.y), z = unpacked_halves(k.z),
                         w = unpacked_halves(k.w);
            sum += a.x * x.x + a.y * x.y + a.z * y.x + a.w * y.y + b.x * z.x + b.y * z.y + b.z * w.x + b.w * w.y;
        }
        sum = warp_sum(sum);
        if (lane == 0)
            scores[unit] = rank_of(sum);
    }
}

constexpr int choose_threads = 1024;

struct ChooseArguments {
    const StreamBlock* block;
    const StreamUnit* units;
    const int32_t *forced, *forced_count;
    UnitPlaces places;
    LookUpArrays arrays;
    StreamLayout layout;
    int32_t *chosen, *chosen_count;
};

// One block of threads. Each thread looks after every 1024th unit and knows the best of them that fits.
__global__ void __launch_bounds__(choose_threads) choose_kernel(ChooseArguments a) {
    __shared__ int picked[most_chosen], sorted[most_chosen], rows[most_chosen], starts[most_chosen];
    __shared__ unsigned long long scratch[2][warp_threads];
    __shared__ int shared_fixed;
    const StreamBlock b = *a.block;
    const StreamLayout& l = a.layout;
    const int thread = static_cast<int>(threadIdx.x), lane = thread % warp_threads, warp = thread / warp_threads;
    const int most = min(most_chosen, b.most);
    int count = 0, left = b.tokens;
    if (*a.forced_count >= 0) {
        count = *a.forced_count;
        for (int i = thread; i < count; i += choose_threads)
            sorted[i] = a.forced[i];
        __syncthreads();
    } else {
        unsigned long long mine = 0;
        bool fresh = false; // `mine` is to be looked for
        for (int times = 0;; ++times) {
            if (!fresh || (mine != 0 && a.units[number_of(mine)].tokens > left)) {
                mine = 0;
                for (int u = thread; u < b.units && left > 0; u += choose_threads) {
                    const uint32_t rank = a.arrays.scores[u];
                    if (rank != 0 && a.units[u].tokens <= left)
                        mine = max(mine, candidate(rank, u));
                }
                fresh = true;
            }
            const unsigned long long best =
                count < most && left > 0 ? block_most(mine, scratch[times % 2], choose_threads) : 0;
            if (best == 0) // for all threads
                break;
            const int unit = number_of(best);
            left -= a.units[unit].tokens;
            if (thread == 0)
                picked[count] = unit;
            ++count;
            if (unit % choose_threads == thread) {
                a.arrays.scores[unit] = 0;
                fresh = false;
            }
        }
        __syncthreads();
        for (int i = thread; i < count; i += choose_threads) {
            int before = 0;
            for (int j = 0; j < count; ++j)
                before += picked[j] < picked[i];
            sorted[before] = picked[i];
        }
        __syncthreads();
    }

    // Where they are: still in the window's memory, at a place, or (-1) to be fetched.
    for (int i = thread; i < count; i += choose_threads) {
        const int unit = sorted[i], slot = a.units[unit].first - b.base;
        a.chosen[i] = unit;
        rows[i] = slot >= 0 ? l.window_row + slot : -1;
        for (int p = 0; rows[i] < 0 && p < l.cached; ++p)
            if (a.places.unit[p] == unit) {
                rows[i] = l.cache_row + p * l.block_size;
                a.places.used[p] = b.clock;
            }
    }
    __syncthreads();
    if (warp == 0) {
        int copies = 0, at = b.sinks, spare = l.spare_row;
        for (int i = 0; i < count; ++i) {
            const int unit = sorted[i], tokens = a.units[unit].tokens;
            if (rows[i] < 0) {
                // The place used longest ago, not by this block.
                unsigned long long oldest = 0;
                for (int p = lane; p < l.cached; p += warp_threads)
                    if (a.places.used[p] < b.clock)
                        oldest = max(oldest, candidate(0x7fffffffu - static_cast<uint32_t>(a.places.used[p]), p));
                oldest = warp_most(oldest);
                __syncwarp();
                if (lane == 0) {
                    int row = spare;
                    if (oldest != 0) {
                        const int p = number_of(oldest);
                        row = l.cache_row + p * l.block_size;
                        a.places.unit[p] = unit;
                        a.places.used[p] = b.clock;
                    }
                    rows[i] = row;
                    a.arrays.copies[copies] = {unit, row};
                }
                spare += oldest == 0 ? tokens : 0;
                ++copies;
                __syncwarp();
            }
            if (lane == 0)
                starts[i] = at;
            at += tokens;
        }
        if (lane == 0) {
            shared_fixed = at;
            *a.arrays.far = {at, at + b.rest, copies, count};
            *a.chosen_count = count;
            a.arrays.counts[0] += static_cast<unsigned long long>(count - copies);
            a.arrays.counts[1] += static_cast<unsigned long long>(copies);
        }
    }
    __syncthreads();
    for (int i = thread; i < b.sinks; i += choose_threads)
        a.arrays.table[i] = i;
    for (int i = warp; i < count; i += choose_threads / warp_threads)
        for (int t = lane; t < a.units[sorted[i]].tokens; t += warp_threads)
            a.arrays.table[starts[i] + t] = rows[i] + t;
    for (int i = thread; i < b.rest; i += choose_threads)
        a.arrays.table[shared_fixed + i] = l.window_row + b.start + i;
}

constexpr int fetch_threads = 256, fetch_parts = 8;

// Each unit by eight blocks of threads, so that many requests are on their way at once.
__global__ void __launch_bounds__(fetch_threads)
    fetch_kernel(const StreamUnit* units, const FarPart* far, const UnitCopy* copies, int layer, int width,
                 __half* keys, __half* values) {
    if (static_cast<int>(blockIdx.y) >= far->copies)
        return;
    const UnitCopy copy = copies[blockIdx.y];
    const StreamUnit unit = units[copy.unit];
    if (unit.address == 0) // in a file
        return;
    const size_t part = static_cast<size_t>(unit.tokens) * width / 8; // pieces of 16 bytes
    const uint4* from = reinterpret_cast<const uint4*>(unit.address) + 2 * part * layer;
    uint4* to_keys = reinterpret_cast<uint4*>(keys + static_cast<size_t>(copy.row) * width);
    uint4* to_values = reinterpret_cast<uint4*>(values + static_cast<size_t>(copy.row) * width);
    for (size_t i = blockIdx.x * fetch_threads + threadIdx.x; i < part; i += fetch_threads * fetch_parts) {
        to_keys[i] = from[i];
        to_values[i] = from[part + i];
    }
}

constexpr int forget_threads = 256;

__global__ void __launch_bounds__(forget_threads) forget_kernel(int32_t* unit, int places, int units) {
    const int i = static_cast<int>(blockIdx.x * forget_threads + threadIdx.x);
    if (i < places && unit[i] >= units)
        unit[i] = -1;
}

} // namespace

void mean_queries(const __half* far, const StreamBlock* blocks, int count, const StreamLayout& l, float* mean,
                  cudaStream_t stream) {
    launch(mean_kernel, dim3(static_cast<unsigned>(l.heads * (l.head_size / 64)), static_cast<unsigned>(count)),
           mean_threads, 0, stream, far, blocks, l.heads, l.head_size, mean);
}

void score_units(const float* mean, __half* const* chunks, int layer, const StreamBlock* block, int most,
                 const StreamLayout& l, uint32_t* scores, cudaStream_t stream) {
    const int blocks = min(most_score_blocks, blocks_for(most, score_warps));
    launch(score_kernel, dim3(static_cast<unsigned>(blocks)), score_warps * warp_threads, 0, stream, mean, chunks,
           layer, block, l.heads * l.head_size, blocks * score_warps, scores);
}

void choose_units(const StreamBlock* block, const StreamUnit* units, const int32_t* forced, const int32_t* forced_count,
                  const UnitPlaces& places, const LookUpArrays& arrays, const StreamLayout& layout, int32_t* chosen,
                  int32_t* chosen_count, cudaStream_t stream) {
    launch(choose_kernel, dim3(1), choose_threads, 0, stream,
           ChooseArguments{block, units, forced, forced_count, places, arrays, layout, chosen, chosen_count});
}

void fetch_units(const StreamUnit* units, const LookUpArrays& arrays, int most, int layer, const StreamLayout& l,
                 const StreamLayer& to, cudaStream_t stream) {
    launch(fetch_kernel, dim3(fetch_parts, static_cast<unsigned>(most)), fetch_threads, 0, stream, units, arrays.far,
           arrays.copies, layer, l.width(), to.keys, to.values);
}

void forget_units(int32_t* unit, int places, int units, cudaStream_t stream) {
    launch(forget_kernel, dim3(static_cast<unsigned>(blocks_for(places, forget_threads))), forget_threads, 0, stream,
           unit, places, units);
}

} // namespace longread::gpu
