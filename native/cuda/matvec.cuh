// A product of a matrix with one row, as decoding needs it: the matrix is read once, as quickly as memory gives it.
#pragma once
#include "cuda/linear.cuh"

namespace longread::gpu {

// y [out] = weight [out][in] · x [in] F16, with F32 sums: F16 in `to`, or added to F32 in `added`; the other is null.
// in: a multiple of 8, of 16 where weights are in 8 bit (x stays in halves); aligned to 16 bytes. Off the reference as
// F32 sums and rounding to F16 are.
void matvec(const Factor& weight, const __half* x, __half* to, float* added, int in, int out, cudaStream_t stream);
// Has so many bytes of weights brought to the GPU's cache, beside work that leaves its memory idle.
void warm(const void* weight, size_t bytes, cudaStream_t stream);

} // namespace longread::gpu
