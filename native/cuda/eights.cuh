// Rows of halves in 8 bit.
#pragma once
#include "cuda/device.cuh"

namespace longread::gpu {

// to: [row][width] e4m3 (eight.h) = x [row][width] / scales [row], where the largest of a row becomes 448; a row of
// zeros has the scale 1. width: a multiple of 8; x aligned to 16 bytes, `to` to 8. Equal to the reference but for
// numbers within 1e-6 of themselves of the middle between two steps.
void to_eights(const __half* x, uint8_t* to, float* scales, int rows, int width, cudaStream_t stream);

} // namespace longread::gpu
