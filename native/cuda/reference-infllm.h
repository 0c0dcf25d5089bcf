// What the kernels of a stream read by InfLLM's method compute (cuda/infllm.cuh), on the processor, in the plainest
// way. All numbers are F32 where a kernel has F16; sums are in double precision.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace longread::gpu::reference {

// A block of tokens and what it sees. Rows of keys and values have key_heads * head_size numbers.
struct StreamView {
    int heads, key_heads, head_size, rows;
    int n_local, slot, start; // slots of the first token, and of the oldest one that is in no unit
    int fixed, total;         // far rows that are seen by all, and all of them; the others by who has lost them
    float scale;
    const float *near, *far;            // queries, [row][head][head_size]
    const float *rotated, *values;      // of the window, [slot]
    const float *far_keys, *far_values; // [far row]
};

// to: [row][head][head_size]; received: [head][slot of the window], of `capacity` slots, is added to.
void stream_attention(const StreamView& view, float* to, float* received, int capacity);

// Units by score, best first, the older one where scores are equal, as far as `tokens` and `most` go; given rising.
std::vector<int32_t> choose(const std::vector<float>& scores, const std::vector<int>& lengths, int tokens, int most);

// Places of a layer's units, of which those used longest ago are given away.
class PlaceList {
  public:
    explicit PlaceList(int places) : units_(static_cast<size_t>(places), -1), used_(static_cast<size_t>(places)) {}
    // The place of each unit, or -1 where it finds none; fetched: those that were at none.
    std::vector<int> take(const std::vector<int32_t>& units, int clock, std::vector<int32_t>& fetched);

  private:
    std::vector<int32_t> units_;
    std::vector<int> used_;
};

// [head_size]: the mean of the keys [token][width] (those of the key head from `keys` on) that received most.
void represent(const float* keys, const float* received, int tokens, int width, int head_size, int repr_topk,
               float* to);

} // namespace longread::gpu::reference
