// RMSNorm of rows (arXiv 1910.07467).
#pragma once
#include "cuda/device.cuh"

namespace longread::gpu {

// to: [row][width] F16 = x [row][width] F32 over its root mean square, times weight [width]. width: a multiple of 4;
// all aligned to 16 bytes. Off the reference by at most what rounding to F16 does, 2^-11 of each number, and 1e-5 of
// it.
void norm(const float* x, const float* weight, __half* to, int rows, int width, float epsilon, cudaStream_t stream);

} // namespace longread::gpu
