// A product of a matrix with one row, as decoding needs it: the matrix is read once, as quickly as memory gives it.
#pragma once
#include "cuda/device.cuh"

namespace longread::gpu {

// y [out] = weight [out][in] F16 · x [in] F16, with F32 sums: F16 in `to`, or added to F32 in `added`; the other is
// null. in: a multiple of 8; aligned to 16 bytes. Off the reference as F32 sums and rounding to F16 are.
void matvec(const __half* weight, const __half* x, __half* to, float* added, int in, int out, cudaStream_t stream);

} // namespace longread::gpu
