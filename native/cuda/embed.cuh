// Rows of the embedding table.
#pragma once
#include "cuda/device.cuh"

namespace longread::gpu {

// to: [row][width] F32 = table [vocabulary][width] F16 at the row's token. width: a multiple of 8; aligned to 16 bytes.
// Exact.
void embed(const __half* table, const int32_t* tokens, float* to, int rows, int width, cudaStream_t stream);

} // namespace longread::gpu
