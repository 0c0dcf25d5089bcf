// Attention of many episodes in one launch, without padding between them: each token sees the last tokens of its
// episode and the episode's sinks (StreamingLLM, arXiv 2309.17453).
#pragma once
#include "cuda/heads.cuh"
#include "cuda/interface.h"

namespace longread::gpu {

struct AttentionWindow {
    int window; // tokens that a token sees, itself among them
    int sinks;  // first tokens of an episode that are seen always; at most LONGREAD_MOST_SINKS
    float scale;
};

// to: [row][head][head_size] F16. qkv: [row][head][head_size] F16, rotated, aligned to 16 bytes; shifted as
// shift_sinks() gives it; head_size 64 or 128. Scores, their softmax and its sum with the values are F32, shares F16.
// Off the reference by at most 1e-3 of the largest value: shares are rounded to F16, and so is the result.
void attention(const __half* qkv, const __half* shifted, const LongreadTile* tiles, int count,
               const AttentionWindow& window, int head_size, const Heads& heads, __half* to, cudaStream_t stream);

} // namespace longread::gpu
