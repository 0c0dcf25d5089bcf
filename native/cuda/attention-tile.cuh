// Attention with tensor cores, as far as one warp, or a warpgroup, does it by itself: scores of its rows of queries
// with a block of keys, the softmax that is kept up from block to block (FlashAttention-2, arXiv 2307.08691), and its
// sum with the block's values.
#pragma once
#include "cuda/group-mma.cuh"

namespace longread::gpu {

// Rows of HeadSize halves in shared memory, in pieces of 16 bytes; a row's pieces are exchanged so that the same piece
// of eight neighbouring rows lies in different banks, as ldmatrix wants it.
template <int HeadSize> __device__ inline int place(int row, int piece) {
    return row * HeadSize + (piece ^ (row & 7)) * 8;
}

// How the threads of a block copy rows: each has one piece of every step-th row.
template <int HeadSize, int Threads> struct Copying {
    static constexpr unsigned pieces = HeadSize / 8;
    static constexpr int step = Threads / static_cast<int>(pieces);
    static_assert(step % 8 == 0, "pieces are exchanged alike");
    __device__ __forceinline__ static int piece() { return static_cast<int>(threadIdx.x % pieces); }
    __device__ __forceinline__ static int row() { return static_cast<int>(threadIdx.x / pieces); }
};

// Which rows of a product a warp has, Sixteens times 16, and where rows lie that its instructions take.
template <int HeadSize, int Sixteens> struct WarpRows {
    static constexpr int sixteens = Sixteens, rows = Sixteens * 16, threads = warp_threads;
    // From a row to the next of those that are a multiple of 8 apart.
    static constexpr int row_halves = HeadSize;

    // Of what a thread has, `half` of 16 rows.
    __device__ __forceinline__ static int row_of(int m, int half) {
        return m * 16 + half * 8 + static_cast<int>(threadIdx.x % warp_threads) / 4;
    }
    // In a matrix of so many rows.
    template <int> __device__ __forceinline__ static int place_of(int row, int piece) {
        return place<HeadSize>(row, piece);
    }
    // Before a wait for the block that ends copying.
    __device__ __forceinline__ static void copied() {}
};

// The same of a warpgroup: 64 rows, 16 of each warp.
struct GroupRows {
    static constexpr int sixteens = 1, rows = group_rows, threads = group_threads;
    static constexpr int row_halves = panel_halves;

    __device__ __forceinline__ static int row_of(int, int half) {
        const int thread = static_cast<int>(threadIdx.x % group_threads);
        return thread / warp_threads * 16 + half * 8 + thread % warp_threads / 4;
    }
    template <int Rows> __device__ __forceinline__ static int place_of(int row, int piece) {
        return panel_place<Rows>(row, piece);
    }
    __device__ __forceinline__ static void copied() { share_copies(); }
};

// What one warp holds of `Sixteens` times 16 rows: of each thread's rows r = 2 m + half (row 16 m + 8 half + lane/4)
// the largest score, the sum of shares over the columns this thread has, and the mixed values.
template <int HeadSize, int Sixteens> struct AttentionState {
    float mixed[Sixteens][HeadSize / 8][4];
    float most[Sixteens * 2], sum[Sixteens * 2];

    __device__ __forceinline__ void begin() {
        *this = {};
#pragma unroll
        for (int r = 0; r < Sixteens * 2; ++r)
            most[r] = -INFINITY;
    }

    // The sum of a row's shares over all threads that have a part of it.
    __device__ __forceinline__ float sum_of(int r) const {
        float all = sum[r];
        all += __shfl_xor_sync(whole_warp, all, 1);
        return all + __shfl_xor_sync(whole_warp, all, 2);
    }

    // Scores of the rows of `m` to shares of the largest so far; what was mixed before shrinks where that has grown.
    // `scale` is of base 2.
    template <int Keys> __device__ __forceinline__ void weigh(float (&scores)[Keys / 8][4], int m, float scale) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int r = 2 * m + half;
            float higher = most[r];
#pragma unroll
            for (int n = 0; n < Keys / 8; ++n)
                higher = fmaxf(higher, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
            // The four threads that share the row.
            higher = fmaxf(higher, __shfl_xor_sync(whole_warp, higher, 1));
            higher = fmaxf(higher, __shfl_xor_sync(whole_warp, higher, 2));
            const float base = higher == -INFINITY ? 0.0f : higher; // nothing seen yet
            const float shift = base * scale, shrink = power_of_two(most[r] * scale - shift);
            float added = 0;
#pragma unroll
            for (int n = 0; n < Keys / 8; ++n)
#pragma unroll
                for (int e = 2 * half; e < 2 * half + 2; ++e) {
                    scores[n][e] = power_of_two(scores[n][e] * scale - shift);
                    added += scores[n][e];
                }
#pragma unroll
            for (int n = 0; n < HeadSize / 8; ++n) {
                mixed[m][n][2 * half] *= shrink;
                mixed[m][n][2 * half + 1] *= shrink;
            }
            sum[r] = sum[r] * shrink + added;
            most[r] = higher;
        }
    }
};

// Shares of 16 keys, as products hold their results, as the next product takes its rows.
__device__ __forceinline__ void pack_shares(uint32_t (&to)[4], const float (&left)[4], const float (&right)[4]) {
    to[0] = packed_halves(left[0], left[1]);
    to[1] = packed_halves(left[2], left[3]);
    to[2] = packed_halves(right[0], right[1]);
    to[3] = packed_halves(right[2], right[3]);
}

// A warp's part, of Sixteens times 16 rows. Keys: of a block of keys. Of scores[m][n][e] a thread has row
// row_of(m, e / 2) and key 8 n + 2 (lane % 4) + e % 2.
template <int HeadSize, int Sixteens, int Keys> struct AttentionTile : WarpRows<HeadSize, Sixteens> {
    using Scores = float[Sixteens][Keys / 8][4];
    using State = AttentionState<HeadSize, Sixteens>;

    __device__ __forceinline__ static int query_place(int row, int piece) { return place<HeadSize>(row, piece); }
    __device__ __forceinline__ static int key_place(int row, int piece) { return place<HeadSize>(row, piece); }

    // row: the warp's first in `queries`.
    __device__ __forceinline__ static void multiply(Scores& scores, const __half* queries, int row,
                                                    const __half* keys) {
        const int lane = static_cast<int>(threadIdx.x % warp_threads);
#pragma unroll
        for (int m = 0; m < Sixteens; ++m)
#pragma unroll
            for (int n = 0; n < Keys / 8; ++n)
#pragma unroll
                for (int e = 0; e < 4; ++e)
                    scores[m][n][e] = 0;
#pragma unroll
        for (int k = 0; k < HeadSize / 16; ++k) {
            uint32_t a[Sixteens][4];
#pragma unroll
            for (int m = 0; m < Sixteens; ++m)
                ldmatrix(a[m], queries + place<HeadSize>(row + m * 16 + lane % 16, k * 2 + lane / 16));
#pragma unroll
            for (int n = 0; n < Keys / 16; ++n) {
                uint32_t b[4]; // keys 0-7 and their dims 0-7, 8-15; keys 8-15 and theirs
                ldmatrix(b, keys + place<HeadSize>(n * 16 + lane / 16 * 8 + lane % 8, k * 2 + lane / 8 % 2));
#pragma unroll
                for (int m = 0; m < Sixteens; ++m) {
                    mma(scores[m][2 * n], a[m], b[0], b[1]);
                    mma(scores[m][2 * n + 1], a[m], b[2], b[3]);
                }
            }
        }
    }

    // Takes scores into the softmax and mixes the values in. `scale` is of base 2.
    __device__ __forceinline__ static void add(State& state, Scores& scores, const __half* values, float scale) {
        const int lane = static_cast<int>(threadIdx.x % warp_threads);
#pragma unroll
        for (int m = 0; m < Sixteens; ++m)
            state.template weigh<Keys>(scores[m], m, scale);
#pragma unroll
        for (int k = 0; k < Keys / 16; ++k) {
            uint32_t a[Sixteens][4];
#pragma unroll
            for (int m = 0; m < Sixteens; ++m)
                pack_shares(a[m], scores[m][2 * k], scores[m][2 * k + 1]);
#pragma unroll
            for (int n = 0; n < HeadSize / 16; ++n) {
                uint32_t b[4]; // dims 0-7 of keys 0-7, 8-15; dims 8-15 of theirs
                ldmatrix_transposed(b,
                                    values + place<HeadSize>(k * 16 + lane / 8 % 2 * 8 + lane % 8, n * 2 + lane / 16));
#pragma unroll
                for (int m = 0; m < Sixteens; ++m) {
                    mma(state.mixed[m][2 * n], a[m], b[0], b[1]);
                    mma(state.mixed[m][2 * n + 1], a[m], b[2], b[3]);
                }
            }
        }
    }
};

// A warpgroup's part. QueryRows: that are in shared memory.
template <int HeadSize, int Keys, int QueryRows> struct AttentionGroup : GroupRows {
    using Scores = float[1][Keys / 8][4];
    using State = AttentionState<HeadSize, 1>;

    __device__ __forceinline__ static int query_place(int row, int piece) { return panel_place<QueryRows>(row, piece); }
    __device__ __forceinline__ static int key_place(int row, int piece) { return panel_place<Keys>(row, piece); }

    __device__ __forceinline__ static void multiply(Scores& scores, const __half* queries, int row,
                                                    const __half* keys) {
        group_products<HeadSize, QueryRows, Keys>(scores[0], queries + row * panel_halves, keys);
    }
    __device__ __forceinline__ static void add(State& state, Scores& scores, const __half* values, float scale) {
        state.template weigh<Keys>(scores[0], 0, scale);
        uint32_t shares[Keys / 16][4];
#pragma unroll
        for (int k = 0; k < Keys / 16; ++k)
            pack_shares(shares[k], scores[0][2 * k], scores[0][2 * k + 1]);
        group_mix<HeadSize, Keys>(state.mixed[0], shares, values);
    }
};

} // namespace longread::gpu
