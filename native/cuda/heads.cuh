// The heads of a row of queries, keys and values as the projection gives them, and one of them in a warp's registers.
#pragma once
#include "cuda/device.cuh"

namespace longread::gpu {

// qkv: [row][head][head_size] F16; queries of all heads, then keys, then values.
struct Heads {
    int heads, key_heads;
    bool neox; // pairs half a head apart are rotated together instead of neighbours
    float epsilon;
    const float *bias, *query_norm, *key_norm; // F32: [head][head_size], [head_size], [head_size]; or null
    const float* turns;                        // [position][head_size / 2] cosine and sine

    __host__ __device__ int all() const { return heads + 2 * key_heads; }
};

// Lane l of a warp holds the pairs l, l + 32, … of a head: x[2j] and x[2j + 1] are pair l + 32 j.
template <int HeadSize> struct HeadPairs {
    static constexpr int pairs = HeadSize / 64;

    __device__ static int pair(int lane, int j) { return lane + 32 * j; }
    __device__ static int first(bool neox, int pair) { return neox ? pair : 2 * pair; }
    __device__ static int second(bool neox, int pair) { return neox ? pair + HeadSize / 2 : 2 * pair + 1; }
};

// Head `head` of a row with its bias and its norm.
template <int HeadSize>
__device__ inline void load_head(const __half* row, const Heads& h, int head, int lane, float (&x)[HeadSize / 32]) {
    using Pairs = HeadPairs<HeadSize>;
    const int at = head * HeadSize;
    float squares = 0;
#pragma unroll
    for (int j = 0; j < Pairs::pairs; ++j) {
        const int pair = Pairs::pair(lane, j);
        const int a = at + Pairs::first(h.neox, pair), b = at + Pairs::second(h.neox, pair);
        x[2 * j] = __half2float(row[a]) + (h.bias ? h.bias[a] : 0.0f);
        x[2 * j + 1] = __half2float(row[b]) + (h.bias ? h.bias[b] : 0.0f);
        squares += x[2 * j] * x[2 * j] + x[2 * j + 1] * x[2 * j + 1];
    }
    const float* weight = head < h.heads ? h.query_norm : head < h.heads + h.key_heads ? h.key_norm : nullptr;
    if (!weight) // the same for the whole warp
        return;
    const float scale = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(HeadSize) + h.epsilon);
#pragma unroll
    for (int j = 0; j < Pairs::pairs; ++j) {
        const int pair = Pairs::pair(lane, j);
        x[2 * j] *= scale * weight[Pairs::first(h.neox, pair)];
        x[2 * j + 1] *= scale * weight[Pairs::second(h.neox, pair)];
    }
}

// Rotates by a position's turns, [head_size / 2] cosine and sine.
template <int HeadSize>
__device__ inline void turn_head(const float* turns, float length, int lane, float (&x)[HeadSize / 32]) {
    using Pairs = HeadPairs<HeadSize>;
#pragma unroll
    for (int j = 0; j < Pairs::pairs; ++j) {
        const float2 t = reinterpret_cast<const float2*>(turns)[Pairs::pair(lane, j)];
        const float a = x[2 * j], b = x[2 * j + 1];
        x[2 * j] = length * (a * t.x - b * t.y);
        x[2 * j + 1] = length * (a * t.y + b * t.x);
    }
}

template <int HeadSize>
__device__ inline void store_head(__half* to, bool neox, int lane, const float (&x)[HeadSize / 32]) {
    using Pairs = HeadPairs<HeadSize>;
#pragma unroll
    for (int j = 0; j < Pairs::pairs; ++j) {
        const int pair = Pairs::pair(lane, j);
        to[Pairs::first(neox, pair)] = __float2half_rn(x[2 * j]);
        to[Pairs::second(neox, pair)] = __float2half_rn(x[2 * j + 1]);
    }
}

} // namespace longread::gpu
