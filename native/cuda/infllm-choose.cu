// Which units a block of tokens sees, and where they are. The best of them are gathered by a threshold that leaves a
// few hundred, sorted, and taken as they fit; only where these do not fill the budget all others are gone through. A
// read of several blocks does this ahead for the units that were there before it, while the block before is computed,
// and has them fetched; what the blocks themselves made is added when their turn comes.
#include "cuda/block-max.cuh"
#include "cuda/check.cuh"
#include "cuda/first-units.cuh"

namespace longread::gpu {
namespace {

constexpr int threads = 1024, warps = threads / warp_threads;
constexpr int bins = 1024;
// Candidates that are sorted; of a threshold's, at least so many are wanted, or as many units as may be chosen.
constexpr int most_sorted = 2048, wanted_candidates = 512;
static_assert(most_listed <= most_sorted / 2 && most_listed >= threads);

struct ChooseArguments {
    const StreamBlock* block;
    const StreamUnit* units;
    const int32_t *forced, *forced_count;
    UnitPlaces places;
    LookUpArrays arrays;
    UnitKeys keys;
    StreamLayout layout;
    int32_t *chosen, *chosen_count;
};

struct Shared {
    union {
        unsigned long long list[most_sorted]; // candidates, best first
        struct {
            int rows[most_chosen], starts[most_chosen];
        };
    };
    int tokens[most_sorted]; // of the candidates' units, then of those that are chosen; before that, bins
    union {
        int picked[most_chosen];
        int used[most_chosen]; // of places, when all is picked
    };
    int sorted[most_chosen];
    unsigned long long scratch[2][warp_threads];
    int listed, count, left, fixed, early;
    uint32_t from;    // ranks from here on are candidates
    int shift, above; // of ranks, to bins; how many are in higher bins
    bool ended;
};

__device__ inline int bin_place(int bin) { return bin + bin / warp_threads; }
static_assert(bins + bins / warp_threads <= most_sorted, "bins have room");

// Which ranks of [0, count) are candidates: at least as many as are wanted, at most most_listed; none (a threshold
// above all) where too many are alike.
__device__ void find_threshold(Shared& s, const uint32_t* ranks, int count, int wanted) {
    const int thread = static_cast<int>(threadIdx.x), lane = thread % warp_threads;
    unsigned long long high = 0, low = 0;
    for (int u = thread; u < count; u += threads) {
        const unsigned long long rank = ranks[u];
        high = max(high, rank);
        low = max(low, 0xffffffffull - rank);
    }
    high = block_most(high << 32, s.scratch[0], threads) >> 32;
    low = 0xffffffffull - (block_most(low << 32, s.scratch[1], threads) >> 32);
    uint32_t begin = static_cast<uint32_t>(low), span = static_cast<uint32_t>(high - low);
    int above = 0; // ranks above those that are counted
    for (;;) {
        int shift = 0;
        while (span >> shift >= bins)
            ++shift;
        for (int i = thread; i < bins + bins / warp_threads; i += threads)
            s.tokens[i] = 0;
        __syncthreads();
        for (int u = thread; u < count; u += threads)
            if (ranks[u] >= begin && ranks[u] - begin <= span)
                atomicAdd(&s.tokens[bin_place(static_cast<int>((ranks[u] - begin) >> shift))], 1);
        __syncthreads();
        if (thread < warp_threads) {
            // Each thread of the warp has 32 bins; `after`: ranks in bins of the threads behind it.
            constexpr int each = bins / warp_threads;
            int own = 0;
            for (int i = 0; i < each; ++i)
                own += s.tokens[bin_place(lane * each + i)];
            int with = own;
            for (int step = 1; step < warp_threads; step *= 2) {
                const int other = __shfl_down_sync(whole_warp, with, step);
                with += lane + step < warp_threads ? other : 0;
            }
            const int after = above + with - own;
            if (after < wanted && after + own >= wanted) { // one thread
                int sum = after, bin = lane * each + each;
                while (sum < wanted)
                    sum += s.tokens[bin_place(--bin)];
                s.from = begin + (static_cast<uint32_t>(bin) << shift);
                s.listed = sum;
                s.above = sum - s.tokens[bin_place(bin)];
                s.shift = shift;
            }
        }
        __syncthreads();
        const uint32_t from = s.from;
        if (s.listed <= most_listed)
            break;
        if (s.shift == 0) {
            __syncthreads();
            if (thread == 0)
                s.listed = 0;
            break;
        }
        // The bin alone, in finer steps.
        above = s.above;
        begin = from;
        span = (1u << s.shift) - 1;
        __syncthreads(); // before what was found is overwritten
    }
    __syncthreads();
}

// Sorts the list of s.listed candidates, best first. What lies behind it up to a power of two is zero then.
__device__ void sort_list(Shared& s) {
    const int thread = static_cast<int>(threadIdx.x), count = s.listed;
    int size = 1;
    while (size < count)
        size *= 2;
    for (int i = count + thread; i < size; i += threads)
        s.list[i] = 0;
    __syncthreads();
    // Few pairs are one warp's, whose threads need not wait for the others.
    const bool alone = size <= 2 * warp_threads;
    if (!alone || thread < warp_threads)
        for (int length = 2; length <= size; length *= 2)
            for (int step = length / 2; step > 0; step /= 2) {
                if (thread < size / 2) {
                    const int a = thread / step * 2 * step + thread % step, b = a + step;
                    const unsigned long long x = s.list[a], y = s.list[b];
                    if ((x < y) == ((a & length) == 0)) {
                        s.list[a] = y;
                        s.list[b] = x;
                    }
                }
                if (alone)
                    __syncwarp();
                else
                    __syncthreads();
            }
    __syncthreads();
}

// One warp takes candidates in their order as they fit.
__device__ void take_fitting(Shared& s, int most, int lane) {
    int count = s.count, left = s.left, from = 0;
    const int listed = s.listed;
    for (; from < listed && left > 0 && count < most; from += warp_threads) {
        const int i = from + lane, tokens = i < listed ? s.tokens[i] : 0;
        bool open = i < listed;
        while (count < most) {
            open = open && tokens <= left;
            if (__ballot_sync(whole_warp, open) == 0)
                break;
            // As far as they fit one after the other: the first one does.
            int sum = open ? tokens : 0;
            for (int step = 1; step < warp_threads; step *= 2) {
                const int other = __shfl_up_sync(whole_warp, sum, step);
                sum += lane >= step ? other : 0;
            }
            bool fits = open && sum <= left;
            const unsigned fitting = __ballot_sync(whole_warp, fits);
            const int at = count + __popc(fitting & ((1u << lane) - 1));
            fits = fits && at < most;
            if (fits)
                s.picked[at] = number_of(s.list[i]);
            left -= static_cast<int>(__reduce_max_sync(whole_warp, fits ? static_cast<unsigned>(sum) : 0u));
            count += __popc(__ballot_sync(whole_warp, fits));
            open = open && !fits;
        }
    }
    __syncwarp();
    if (lane == 0) {
        s.count = count;
        s.left = left;
        s.ended = left == 0 || count == most;
    }
}

// Goes through all of [0, count) for each: those below `cut` that still fit.
__device__ void take_others(Shared& s, const ChooseArguments& a, int count, int most, unsigned long long cut) {
    const int thread = static_cast<int>(threadIdx.x);
    for (int times = 0; s.left > 0 && s.count < most; ++times) { // the same for all threads
        const int left = s.left;
        unsigned long long mine = 0;
        for (int u = thread; u < count; u += threads) {
            const unsigned long long one = candidate(a.arrays.scores[u], u);
            if (one < cut && one > mine && a.units[u].tokens <= left)
                mine = one;
        }
        const unsigned long long best = block_most(mine, s.scratch[times % 2], threads);
        if (best == 0)
            break;
        __syncthreads(); // all have read what is left
        if (thread == 0) {
            s.picked[s.count++] = number_of(best);
            s.left = left - a.units[number_of(best)].tokens;
        }
        cut = best;
        __syncthreads();
    }
    __syncthreads();
}

// Where among the chosen units, rising, one is; or -1.
__device__ int found_at(const Shared& s, int unit) {
    int from = 0, end = s.count;
    while (from < end) {
        const int middle = (from + end) / 2;
        if (s.sorted[middle] < unit)
            from = middle + 1;
        else
            end = middle;
    }
    return from < s.count && s.sorted[from] == unit ? from : -1;
}

// A unit's score, by one warp.
__device__ uint32_t score_of(const ChooseArguments& a, int unit, int lane) {
    const int numbers = a.layout.heads * a.layout.head_size;
    const __half* key = a.keys.chunks[unit / units_of_chunk] +
                        (static_cast<size_t>(a.keys.layer) * units_of_chunk + unit % units_of_chunk) * numbers;
    float sum = 0;
#pragma unroll 4
    for (int i = lane; i < numbers / 8; i += warp_threads) {
        const uint4 k = reinterpret_cast<const uint4*>(key)[i];
        const float4 m = reinterpret_cast<const float4*>(a.arrays.mean)[2 * i],
                     n = reinterpret_cast<const float4*>(a.arrays.mean)[2 * i + 1];
        const float2 x = unpacked_halves(k.x), y = unpacked_halves(k.y), z = unpacked_halves(k.z),
                     w = unpacked_halves(k.w);
        sum += m.x * x.x + m.y * x.y + m.z * y.x + m.w * y.y + n.x * z.x + n.y * z.y + n.z * w.x + n.w * w.y;
    }
    return ranked(rank_of(warp_sum(sum)), unit, a.keys.first);
}

// Chooses by score into s.picked.
__device__ void choose_best(Shared& s, const ChooseArguments& a, const StreamBlock& b, int most) {
    const int thread = static_cast<int>(threadIdx.x), lane = thread % warp_threads, warp = thread / warp_threads;
    const LookAhead& ahead = a.arrays.ahead;
    const bool from_list = ahead.list && !ahead.now;
    const uint32_t* ranks = a.arrays.scores;
    if (thread == 0) {
        s.count = 0;
        s.left = b.tokens;
    }
    if (b.tokens == 0) { // then none is scored
        if (thread == 0 && ahead.now)
            *ahead.listed = 0;
        __syncthreads();
        return;
    }
    // Of the units from before the read; all of them, where they are few.
    if (from_list) {
        if (thread == 0)
            s.listed = *ahead.listed;
        __syncthreads();
        for (int i = thread; i < s.listed; i += threads)
            s.list[i] = ahead.list[i];
    } else if (b.old <= most_listed) {
        if (thread == 0)
            s.listed = b.old;
        for (int u = thread; u < b.old; u += threads)
            s.list[u] = candidate(ranks[u], u);
    } else {
        __syncthreads();
        find_threshold(s, ranks, b.old, min(most, wanted_candidates));
        const uint32_t from = s.listed > 0 ? s.from : 0xffffffffu;
        __syncthreads();
        if (thread == 0)
            s.listed = 0;
        __syncthreads();
        for (int u = thread; u < b.old; u += threads)
            if (ranks[u] >= from && from < 0xffffffffu)
                s.list[atomicAdd(&s.listed, 1)] = candidate(ranks[u], u);
    }
    __syncthreads();
    // Those that the read's own blocks made.
    const int fresh = ahead.now ? 0 : b.units - b.old, old = s.listed;
    const bool room = old + fresh <= most_sorted && (old > 0 || b.old == 0);
    for (int i = warp; i < fresh; i += warps) {
        const uint32_t rank = score_of(a, b.old + i, lane);
        if (lane == 0) {
            a.arrays.scores[b.old + i] = rank;
            if (room)
                s.list[old + i] = candidate(rank, b.old + i);
        }
    }
    // Below that there may be better ones among those that are no candidates.
    unsigned long long lowest = 0;
    for (int i = thread; i < old; i += threads)
        lowest = max(lowest, ~s.list[i]);
    const unsigned long long cut = ~block_most(lowest, s.scratch[0], threads);
    __syncthreads();
    if (thread == 0)
        s.listed = room ? old + fresh : 0;
    __syncthreads();
    sort_list(s);
    const int listed = s.listed;
    __syncthreads();
    for (int i = thread; i < listed && old < b.old; i += threads)
        if (s.list[i] >= cut && (i + 1 == listed || s.list[i + 1] < cut)) // one thread
            s.listed = i + 1;
    __syncthreads();
    for (int i = thread; i < s.listed; i += threads)
        s.tokens[i] = a.units[number_of(s.list[i])].tokens;
    if (ahead.now) {
        const int kept = min(s.listed, min(most, wanted_candidates));
        for (int i = thread; i < kept; i += threads)
            ahead.list[i] = s.list[i];
        if (thread == 0)
            *ahead.listed = kept;
    }
    __syncthreads();
    if (warp == 0)
        take_fitting(s, most, lane);
    __syncthreads();
    if (s.ended) // for all threads
        return;
    if (!room || old < b.old)
        take_others(s, a, ahead.now ? b.old : b.units, most, room ? cut : ~0ull);
}

// One block of threads.
__global__ void __launch_bounds__(threads) choose_kernel(ChooseArguments a) {
    __shared__ Shared s;
    const StreamBlock b = *a.block;
    const StreamLayout& l = a.layout;
    const int thread = static_cast<int>(threadIdx.x), lane = thread % warp_threads, warp = thread / warp_threads;
    const LookAhead& ahead = a.arrays.ahead;
    if (*a.forced_count >= 0) {
        for (int i = thread; i < *a.forced_count; i += threads)
            s.sorted[i] = a.forced[i];
        if (thread == 0) {
            s.count = *a.forced_count;
            if (ahead.now)
                *ahead.listed = 0;
        }
    } else {
        choose_best(s, a, b, min(most_chosen, b.most));
        for (int i = thread; i < s.count; i += threads) {
            int before = 0;
            for (int j = 0; j < s.count; ++j)
                before += s.picked[j] < s.picked[i];
            s.sorted[before] = s.picked[i];
        }
    }
    if (thread == 0)
        s.early = 0;
    __syncthreads();
    const int count = s.count;

    // Where they are: still in the window's memory, at a place, or (-1) to be fetched.
    for (int i = thread; i < count; i += threads) {
        const int unit = s.sorted[i];
        const StreamUnit u = a.units[unit];
        const int slot = u.first - b.base;
        s.rows[i] = slot >= 0 ? l.window_row + slot : -1;
        s.tokens[i] = u.tokens;
        if (!ahead.now)
            a.chosen[i] = unit;
    }
    __syncthreads();
    for (int p = thread; p < l.cached; p += threads) {
        const int i = found_at(s, a.places.unit[p]);
        int used = a.places.used[p];
        if (i >= 0 && s.rows[i] < 0) {
            s.rows[i] = l.cache_row + p * l.block_size;
            a.places.used[p] = used = b.clock;
        }
        if (p < most_chosen)
            s.used[p] = used;
    }
    if (!ahead.now && ahead.copies)
        for (int j = thread; j < ahead.far->copies; j += threads)
            if (found_at(s, ahead.copies[j].unit) >= 0)
                atomicAdd(&s.early, 1);
    __syncthreads();
    if (warp == 0) {
        // The places used longest ago: not by this block, nor, ahead of it, by the one that is computed meanwhile.
        const int before = b.clock - (ahead.now ? 1 : 0);
        const auto oldest_of = [&] {
            unsigned long long oldest = 0;
            for (int p = lane; p < l.cached; p += warp_threads) {
                const int used = p < most_chosen ? s.used[p] : a.places.used[p];
                if (used < before)
                    oldest = max(oldest, candidate(0x7fffffffu - static_cast<uint32_t>(used), p));
            }
            return oldest;
        };
        unsigned long long mine = oldest_of();
        int copies = 0, at = b.sinks, spare = l.spare_row;
        for (int i = 0; i < count; ++i) {
            const int unit = s.sorted[i], tokens = s.tokens[i];
            if (s.rows[i] < 0) {
                const unsigned long long oldest = warp_most(mine);
                const int p = number_of(oldest), row = oldest != 0 ? l.cache_row + p * l.block_size : spare;
                if (oldest != 0 && p % warp_threads == lane) {
                    a.places.unit[p] = unit;
                    a.places.used[p] = b.clock;
                    if (p < most_chosen)
                        s.used[p] = b.clock;
                    mine = oldest_of();
                }
                const bool fetched = oldest != 0 || !ahead.now; // what finds no place is not fetched ahead
                if (fetched && lane == 0)
                    a.arrays.copies[copies] = {unit, row};
                __syncwarp();
                if (lane == 0)
                    s.rows[i] = row;
                spare += oldest == 0 ? tokens : 0;
                copies += fetched ? 1 : 0;
            }
            if (lane == 0)
                s.starts[i] = at;
            at += tokens;
        }
        if (lane == 0) {
            s.fixed = at;
            *a.arrays.far = {at, at + b.rest, copies, count};
            a.arrays.counts[1] += static_cast<unsigned long long>(copies);
            if (!ahead.now) {
                *a.chosen_count = count;
                a.arrays.counts[0] += static_cast<unsigned long long>(count - copies - s.early);
            }
        }
    }
    if (ahead.now) // for all threads
        return;
    __syncthreads();
    for (int i = thread; i < b.sinks; i += threads)
        a.arrays.table[i] = i;
    for (int i = warp; i < count; i += warps)
        for (int t = lane; t < s.tokens[i]; t += warp_threads)
            a.arrays.table[s.starts[i] + t] = s.rows[i] + t;
    for (int i = thread; i < b.rest; i += threads)
        a.arrays.table[s.fixed + i] = l.window_row + b.start + i;
}

} // namespace

void choose_units(const StreamBlock* block, const StreamUnit* units, const int32_t* forced, const int32_t* forced_count,
                  const UnitPlaces& places, const LookUpArrays& arrays, const UnitKeys& keys,
                  const StreamLayout& layout, int32_t* chosen, int32_t* chosen_count, cudaStream_t stream) {
    launch(choose_kernel, dim3(1), threads, 0, stream,
           ChooseArguments{block, units, forced, forced_count, places, arrays, keys, layout, chosen, chosen_count});
}

} // namespace longread::gpu
