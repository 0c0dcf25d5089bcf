// What one warp does of attention with tensor cores: scores of its rows of queries with a block of keys, the softmax
// that is kept up from block to block (FlashAttention-2, arXiv 2307.08691), and its sum with the block's values.
#pragma once
#include "cuda/mma.cuh"

namespace longread::gpu {

// Rows of HeadSize halves in shared memory, in pieces of 16 bytes; a row's pieces are exchanged so that the same piece
// of eight neighbouring rows lies in different banks, as ldmatrix wants it.
template <int HeadSize> __device__ inline int place(int row, int piece) {
    return row * HeadSize + (piece ^ (row & 7)) * 8;
}

// Sixteens: rows of a warp, in 16s. Keys: of a block of keys. Of scores[m][n][e] a thread has row
// 16 m + lane / 4 + 8 (e / 2) and key 8 n + 2 (lane % 4) + e % 2.
template <int HeadSize, int Sixteens, int Keys> struct AttentionTile {
    using Scores = float[Sixteens][Keys / 8][4];

    // What one warp holds: of each thread's rows r = 2 m + half (row 16 m + 8 half + lane/4) the largest score, the sum
    // of shares over the columns this thread has, and the mixed values.
    struct State {
        float mixed[Sixteens][HeadSize / 8][4];
        float most[Sixteens * 2], sum[Sixteens * 2];
    };

    __device__ __forceinline__ static void begin(State& state) {
        state = {};
#pragma unroll
        for (int r = 0; r < Sixteens * 2; ++r)
            state.most[r] = -INFINITY;
    }

    // Adds to `scores`. row: the warp's first in `queries`.
    __device__ __forceinline__ static void multiply(Scores& scores, const __half* queries, int row, const __half* keys,
                                                    int lane) {
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
    __device__ __forceinline__ static void add(State& state, Scores& scores, const __half* values, int lane,
                                               float scale) {
#pragma unroll
        for (int m = 0; m < Sixteens; ++m)
            weigh(scores[m], state.mixed[m], state.most + 2 * m, state.sum + 2 * m, scale);
#pragma unroll
        for (int k = 0; k < Keys / 16; ++k) {
            uint32_t a[Sixteens][4];
#pragma unroll
            for (int m = 0; m < Sixteens; ++m) {
                const float (&left)[4] = scores[m][2 * k];
                const float (&right)[4] = scores[m][2 * k + 1];
                a[m][0] = packed_halves(left[0], left[1]);
                a[m][1] = packed_halves(left[2], left[3]);
                a[m][2] = packed_halves(right[0], right[1]);
                a[m][3] = packed_halves(right[2], right[3]);
            }
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

    // The sum of a row's shares over all threads that have a part of it.
    __device__ __forceinline__ static float sum_of(const State& state, int r) {
        float sum = state.sum[r];
        sum += __shfl_xor_sync(whole_warp, sum, 1);
        return sum + __shfl_xor_sync(whole_warp, sum, 2);
    }

  private:
    // Scores of 16 rows to shares of the largest so far; what was mixed before shrinks where that has grown.
    __device__ __forceinline__ static void weigh(float (&scores)[Keys / 8][4], float (&mixed)[HeadSize / 8][4],
                                                 float* most, float* sum, float scale) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            float higher = most[half];
#pragma unroll
            for (int n = 0; n < Keys / 8; ++n)
                higher = fmaxf(higher, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
            // The four threads that share the row.
            higher = fmaxf(higher, __shfl_xor_sync(whole_warp, higher, 1));
            higher = fmaxf(higher, __shfl_xor_sync(whole_warp, higher, 2));
            const float base = higher == -INFINITY ? 0.0f : higher; // nothing seen yet
            const float shift = base * scale, shrink = power_of_two(most[half] * scale - shift);
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
                mixed[n][2 * half] *= shrink;
                mixed[n][2 * half + 1] *= shrink;
            }
            sum[half] = sum[half] * shrink + added;
            most[half] = higher;
        }
    }
};

} // namespace longread::gpu
