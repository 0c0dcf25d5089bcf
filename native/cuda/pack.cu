#include "cuda/check.cuh"
#include "cuda/pack.cuh"

namespace longread::gpu {
namespace {

constexpr int warps = 4;
constexpr int tokens = LONGREAD_GROUP_TOKENS;

// A warp a group of one key head: gathered token by token in shared memory, [dim][16 tokens], and from there written as
// whole pieces of 16 bytes.
template <int HeadSize, bool Q8>
__global__ void __launch_bounds__(warps* warp_threads)
    pack_kernel(const __half* qkv, const int32_t* kept_rows, const LongreadGroup* groups, int count, int first_slot,
                const int32_t* key_heads, Heads h, uint8_t* keys) {
    using Pairs = HeadPairs<HeadSize>;
    constexpr int bytes = HeadSize * tokens * (Q8 ? 1 : 2);
    __shared__ __align__(16) unsigned char memory[warps][bytes];
    const int warp = static_cast<int>(threadIdx.x / warp_threads), lane = static_cast<int>(threadIdx.x % warp_threads);
    const int item = static_cast<int>(blockIdx.x) * warps + warp;
    if (item >= count) // the whole warp; nothing below waits for other warps
        return;
    const LongreadGroup group = groups[item];
    const int slot = first_slot + static_cast<int>(blockIdx.y);
    const int head = h.heads + key_heads[slot];
    uint8_t* base = keys + group.keys + group.stride * static_cast<uint64_t>(slot);
    for (int t = 0; t < tokens; ++t) {
        float x[HeadSize / 32] = {};
        const bool there = t < static_cast<int>(group.count); // the same for the whole warp
        if (there)
            load_head<HeadSize>(qkv + static_cast<size_t>(kept_rows[group.first + t]) * h.all() * HeadSize, h, head,
                                lane, x);
        float largest = 0;
        for (float one : x)
            largest = fmaxf(largest, fabsf(one));
        largest = Q8 ? warp_max(largest) : 0.0f;
        const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
        if (Q8 && lane == 0)
            reinterpret_cast<float*>(base)[group.group * tokens + t] = largest / 127.0f;
        for (int j = 0; j < HeadSize / 32; ++j) {
            const int pair = Pairs::pair(lane, j / 2);
            const int dim = j % 2 == 0 ? Pairs::first(h.neox, pair) : Pairs::second(h.neox, pair);
            if (Q8)
                reinterpret_cast<signed char*>(memory[warp])[dim * tokens + t] =
                    static_cast<signed char>(__float2int_rn(x[j] * inverse));
            else
                reinterpret_cast<__half*>(memory[warp])[dim * tokens + t] = __float2half_rn(x[j]);
        }
    }
    __syncwarp();
    uint4* to = reinterpret_cast<uint4*>(base + (Q8 ? group.padded * sizeof(float) : 0) +
                                         static_cast<size_t>(group.group) * bytes);
    for (int i = lane; i < bytes / 16; i += warp_threads)
        to[i] = reinterpret_cast<const uint4*>(memory[warp])[i];
}

template <int HeadSize>
void start(const __half* qkv, const int32_t* kept_rows, const LongreadGroup* groups, int count, int format,
           int first_slot, int slots, const int32_t* key_heads, const Heads& heads, uint8_t* keys,
           cudaStream_t stream) {
    const dim3 grid(static_cast<unsigned>(blocks_for(count, warps)), static_cast<unsigned>(slots));
    launch(format == LONGREAD_KEYS_Q8 ? pack_kernel<HeadSize, true> : pack_kernel<HeadSize, false>, grid,
           warps * warp_threads, 0, stream, qkv, kept_rows, groups, count, first_slot, key_heads, heads, keys);
}

} // namespace

void pack(const __half* qkv, const int32_t* kept_rows, const LongreadGroup* groups, int count, int format,
          int first_slot, int slots, const int32_t* key_heads, int head_size, const Heads& heads, uint8_t* keys,
          cudaStream_t stream) {
    if (head_size == 64)
        start<64>(qkv, kept_rows, groups, count, format, first_slot, slots, key_heads, heads, keys, stream);
    else
        start<128>(qkv, kept_rows, groups, count, format, first_slot, slots, key_heads, heads, keys, stream);
}

} // namespace longread::gpu
