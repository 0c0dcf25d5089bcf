// How much attention mass a unit's stored keys receive from each query: the product with all its keys fused with the
// log-sum-exp over them, so that no product ever leaves the registers (the late interaction that recall scores by).
#pragma once
#include "cuda/device.cuh"
#include "cuda/interface.h"

namespace longread::gpu {

// Rows of queries that a warp takes at once; rows are padded to whole tiles.
constexpr int mass_rows = 16;

inline int padded_rows(int rows) { return (rows + mass_rows - 1) / mass_rows * mass_rows; }

// Queries as the kernel takes them, each number the sum of two in half precision, so that nothing of them is lost that
// matters (22 bits): high, low [head][padded row][head_size], from [head][row][head_size] F32. Rows that only pad are
// zero.
void split_queries(const float* from, __half* high, __half* low, int heads, int rows, int head_size,
                   cudaStream_t stream);

// masses: [head][row][unit] F32, minus infinity for a unit without tokens. head_slot: [head], on the GPU; `keys` is
// added to what units say of where their keys lie. head_size 64 or 128. Keys are exact in half precision (F16, or 8
// bits whose scale is multiplied to the product), sums are F32: off the reference by at most 1e-4 and 1e-5 of the mass.
void masses(const uint8_t* keys, const LongreadUnit* units, int count, int format, const int32_t* head_slot, int heads,
            const __half* high, const __half* low, int rows, int head_size, float* masses, cudaStream_t stream);

} // namespace longread::gpu
