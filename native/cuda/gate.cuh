// SwiGLU (arXiv 2002.05202).
#pragma once
#include "cuda/device.cuh"

namespace longread::gpu {

// to: [row][width] F16 = silu(gate) · up, of gate_up [row][gates, then ups] F16. width: a multiple of 8; aligned to 16
// bytes. What F16 cannot hold, coming or going, is its largest number instead. Off the reference by at most 2^-11 of
// each number and 1e-5 of it.
void gate(const __half* gate_up, __half* to, int rows, int width, cudaStream_t stream);

} // namespace longread::gpu
