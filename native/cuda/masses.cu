#include "cuda/check.cuh"
#include "cuda/masses.cuh"
#include "cuda/mma.cuh"

namespace longread::gpu {
namespace {

constexpr int warps = 4;
constexpr int tokens = LONGREAD_GROUP_TOKENS;
// Halves from one dim of a group's keys to the next in shared memory: with 16 and 8 more, the eight rows that ldmatrix
// fetches together lie in different banks.
constexpr int dim_stride = tokens + 8;

constexpr int split_threads = 256;

__global__ void __launch_bounds__(split_threads)
    split_kernel(const float* from, __half* high, __half* low, int heads, int rows, int padded, int head_size) {
    const size_t i = static_cast<size_t>(blockIdx.x) * split_threads + threadIdx.x;
    if (i >= static_cast<size_t>(heads) * padded * head_size)
        return;
    const int dim = static_cast<int>(i % head_size), row = static_cast<int>(i / head_size % padded);
    const size_t head = i / head_size / padded;
    const float x = row < rows ? from[(head * rows + row) * head_size + dim] : 0.0f;
    const __half upper = __float2half_rn(x);
    high[i] = upper;
    low[i] = __float2half_rn(x - __half2float(upper));
}

// Four signed bytes as halves, exactly: with the sign flipped they are 0 … 255, and 0x6400 | n is the half 1024 + n.
__device__ inline uint2 bytes_to_halves(uint32_t bytes) {
    const uint32_t flipped = bytes ^ 0x80808080u;
    const uint32_t low = __byte_perm(flipped, 0x64646464u, 0x4140), high = __byte_perm(flipped, 0x64646464u, 0x4342);
    const __half2 bias = __float2half2_rn(1152.0f);
    return make_uint2(bits_of(__hsub2(halves_of(low), bias)), bits_of(__hsub2(halves_of(high), bias)));
}

struct Arguments {
    const uint8_t* keys;
    const LongreadUnit* units;
    const int32_t* head_slot;
    const __half *high, *low;
    float* masses;
    int count, rows;
};

// What a warp's 16 rows are multiplied with: dims 16 k … as mma takes them.
template <int HeadSize> struct Rows {
    uint32_t high[HeadSize / 16][4], low[HeadSize / 16][4];

    __device__ __forceinline__ static void load(const __half* from, int lane, uint32_t (&to)[HeadSize / 16][4]) {
#pragma unroll
        for (int k = 0; k < HeadSize / 16; ++k)
#pragma unroll
            for (int r = 0; r < 4; ++r) {
                const int row = lane / 4 + r % 2 * 8, dim = k * 16 + lane % 4 * 2 + r / 2 * 8;
                to[k][r] = *reinterpret_cast<const uint32_t*>(from + row * HeadSize + dim);
            }
    }
};

// A group's keys of one head to shared memory as halves, [dim][dim_stride].
template <int HeadSize, bool Q8>
__device__ __forceinline__ void load_group(const uint8_t* keys, size_t group, int lane, __half* to) {
    for (int dim = lane; dim < HeadSize; dim += warp_threads) {
        uint4* out = reinterpret_cast<uint4*>(to + dim * dim_stride);
        if (Q8) {
            const uint4 bytes = reinterpret_cast<const uint4*>(keys)[group * HeadSize + dim];
            const uint2 a = bytes_to_halves(bytes.x), b = bytes_to_halves(bytes.y);
            const uint2 c = bytes_to_halves(bytes.z), d = bytes_to_halves(bytes.w);
            out[0] = make_uint4(a.x, a.y, b.x, b.y);
            out[1] = make_uint4(c.x, c.y, d.x, d.y);
        } else {
            const uint4* halves = reinterpret_cast<const uint4*>(keys) + (group * HeadSize + dim) * 2;
            out[0] = halves[0];
            out[1] = halves[1];
        }
    }
}

// A warp 16 rows of one head and one unit, all its keys; warps that share a unit follow one another.
template <int HeadSize, bool Q8> __global__ void __launch_bounds__(warps* warp_threads) masses_kernel(Arguments a) {
    __shared__ __align__(16) __half memory[warps][HeadSize * dim_stride];
    const int warp = static_cast<int>(threadIdx.x / warp_threads), lane = static_cast<int>(threadIdx.x % warp_threads);
    const int tiles = (a.rows + mass_rows - 1) / mass_rows;
    const size_t item = static_cast<size_t>(blockIdx.x) * warps + warp;
    const size_t which = item / tiles;
    const int tile = static_cast<int>(item % tiles), head = static_cast<int>(blockIdx.y);
    if (which >= static_cast<size_t>(a.count)) // the whole warp; nothing below waits for other warps
        return;
    const LongreadUnit unit = a.units[which];
    const uint8_t* base = a.keys + unit.keys + unit.stride * static_cast<uint64_t>(a.head_slot[head]);
    const float* scales = reinterpret_cast<const float*>(base);
    const uint8_t* keys = base + (Q8 ? unit.padded * sizeof(float) : 0);

    const size_t first = (static_cast<size_t>(head) * tiles + tile) * mass_rows * HeadSize;
    Rows<HeadSize> rows;
    Rows<HeadSize>::load(a.high + first, lane, rows.high);
    Rows<HeadSize>::load(a.low + first, lane, rows.low);

    // Of rows lane/4 and lane/4 + 8: the largest product so far, and the sum over the columns this thread has.
    float most[2] = {-INFINITY, -INFINITY}, sum[2] = {};
    const uint32_t end = unit.end > unit.begin ? (unit.end - 1) / tokens + 1 : 0;
    for (uint32_t group = unit.begin / tokens; group < end; ++group) {
        __syncwarp(); // before the group that was there is overwritten
        load_group<HeadSize, Q8>(keys, group, lane, memory[warp]);
        __syncwarp();
        float products[2][4] = {};
#pragma unroll
        for (int k = 0; k < HeadSize / 16; ++k) {
            uint32_t b[4]; // tokens 0-7 of dims 0-7, 8-15; tokens 8-15 of theirs
            ldmatrix_transposed(b, memory[warp] + (k * 16 + lane / 8 % 2 * 8 + lane % 8) * dim_stride + lane / 16 * 8);
#pragma unroll
            for (int n = 0; n < 2; ++n) {
                mma(products[n], rows.high[k], b[2 * n], b[2 * n + 1]);
                mma(products[n], rows.low[k], b[2 * n], b[2 * n + 1]);
            }
        }
#pragma unroll
        for (int n = 0; n < 2; ++n) {
            const uint32_t token = group * tokens + n * 8 + lane % 4 * 2;
            const float2 scale = Q8 ? *reinterpret_cast<const float2*>(scales + token) : make_float2(1.0f, 1.0f);
            const bool there[2] = {token >= unit.begin && token < unit.end,
                                   token + 1 >= unit.begin && token + 1 < unit.end};
#pragma unroll
            for (int e = 0; e < 4; ++e)
                products[n][e] = there[e % 2] ? products[n][e] * (e % 2 ? scale.y : scale.x) : -INFINITY;
        }
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            float higher = most[half];
#pragma unroll
            for (int n = 0; n < 2; ++n)
                higher = fmaxf(higher, fmaxf(products[n][2 * half], products[n][2 * half + 1]));
            // The four threads that share the row. Every group holds a token of the unit, so this is finite.
            higher = fmaxf(higher, __shfl_xor_sync(whole_warp, higher, 1));
            higher = fmaxf(higher, __shfl_xor_sync(whole_warp, higher, 2));
            sum[half] *= expf(most[half] - higher);
#pragma unroll
            for (int n = 0; n < 2; ++n)
                sum[half] += expf(products[n][2 * half] - higher) + expf(products[n][2 * half + 1] - higher);
            most[half] = higher;
        }
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        float all = sum[half];
        all += __shfl_xor_sync(whole_warp, all, 1);
        all += __shfl_xor_sync(whole_warp, all, 2);
        const int row = tile * mass_rows + half * 8 + lane / 4;
        if (lane % 4 == 0 && row < a.rows)
            a.masses[(static_cast<size_t>(head) * a.rows + row) * a.count + which] =
                unit.end > unit.begin ? most[half] + logf(all) : -INFINITY;
    }
}

} // namespace

void split_queries(const float* from, __half* high, __half* low, int heads, int rows, int head_size,
                   cudaStream_t stream) {
    const size_t items = static_cast<size_t>(heads) * padded_rows(rows) * head_size;
    launch(split_kernel, dim3(static_cast<unsigned>(blocks_for<size_t>(items, split_threads))), split_threads, 0,
           stream, from, high, low, heads, rows, padded_rows(rows), head_size);
}

void masses(const uint8_t* keys, const LongreadUnit* units, int count, int format, const int32_t* head_slot, int heads,
            const __half* high, const __half* low, int rows, int head_size, float* masses, cudaStream_t stream) {
    const size_t items = static_cast<size_t>(count) * (padded_rows(rows) / mass_rows);
    const dim3 grid(static_cast<unsigned>(blocks_for<size_t>(items, warps)), static_cast<unsigned>(heads));
    const bool q8 = format == LONGREAD_KEYS_Q8;
    const auto kernel = head_size == 64 ? (q8 ? masses_kernel<64, true> : masses_kernel<64, false>)
                                        : (q8 ? masses_kernel<128, true> : masses_kernel<128, false>);
    launch(kernel, grid, warps * warp_threads, 0, stream,
           Arguments{keys, units, head_slot, high, low, masses, count, rows});
}

} // namespace longread::gpu
