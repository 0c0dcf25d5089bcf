// Queries, keys and values made ready for attention: biases, norms of heads, rotation (RoPE, arXiv 2104.09864); and
// sinks rotated on where a window has slid.
#pragma once
#include "cuda/heads.cuh"
#include "cuda/interface.h"

namespace longread::gpu {

// In place; qkv: [row][head][head_size], head_size 64 or 128, positions: [row]. Values are left alone without a bias.
// Off the reference by at most 2^-11 of each number, and 1e-5 of its pair's length.
void rotate(__half* qkv, const int32_t* positions, int rows, int head_size, const Heads& heads, cudaStream_t stream);

// shifted: [shift][sink][key head][head_size] F16, the keys of the first tokens of the shifts' episodes, rotated on.
// qkv is rotated; `length` takes back what turns lengthen. Off as rotate() is.
void shift_sinks(const __half* qkv, const LongreadShift* shifts, int count, int sinks, float length, int head_size,
                 const Heads& heads, __half* shifted, cudaStream_t stream);

} // namespace longread::gpu
