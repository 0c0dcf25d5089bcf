#include "cuda/check.cuh"
#include "cuda/gate.cuh"

namespace longread::gpu {
namespace {

constexpr int threads = 256;
constexpr float largest_half = 65504.0f;

__device__ inline float bounded(float x) { return fminf(largest_half, fmaxf(-largest_half, x)); }

__device__ inline float gated(float gate, float up) {
    gate = bounded(gate);
    return bounded(gate / (1.0f + expf(-gate)) * bounded(up));
}

__device__ inline uint32_t gated_pair(uint32_t gates, uint32_t ups) {
    const float2 g = unpacked_halves(gates), u = unpacked_halves(ups);
    return packed_halves(gated(g.x, u.x), gated(g.y, u.y));
}

// A thread eight numbers.
__global__ void __launch_bounds__(threads) gate_kernel(const __half* gate_up, __half* to, int rows, int width) {
    const size_t pieces = static_cast<size_t>(width) / 8;
    const size_t i = static_cast<size_t>(blockIdx.x) * threads + threadIdx.x;
    if (i >= pieces * static_cast<size_t>(rows))
        return;
    const size_t row = i / pieces, piece = i % pieces;
    const uint4* from = reinterpret_cast<const uint4*>(gate_up + row * 2 * width);
    const uint4 g = from[piece], u = from[pieces + piece];
    uint4 out;
    out.x = gated_pair(g.x, u.x);
    out.y = gated_pair(g.y, u.y);
    out.z = gated_pair(g.z, u.z);
    out.w = gated_pair(g.w, u.w);
    reinterpret_cast<uint4*>(to)[i] = out;
}

} // namespace

void gate(const __half* gate_up, __half* to, int rows, int width, cudaStream_t stream) {
    const size_t items = static_cast<size_t>(rows) * width / 8;
    launch(gate_kernel, dim3(static_cast<unsigned>(blocks_for<size_t>(items, threads))), threads, 0, stream, gate_up,
           to, rows, width);
}

} // namespace longread::gpu
