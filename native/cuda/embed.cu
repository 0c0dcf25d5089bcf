#include "cuda/check.cuh"
#include "cuda/embed.cuh"

namespace longread::gpu {
namespace {

constexpr int threads = 256;

// A thread eight numbers.
__global__ void __launch_bounds__(threads)
    embed_kernel(const __half* table, const int32_t* tokens, float* to, int rows, int width) {
    const size_t pieces = static_cast<size_t>(width) / 8;
    const size_t i = static_cast<size_t>(blockIdx.x) * threads + threadIdx.x;
    if (i >= pieces * static_cast<size_t>(rows))
        return;
    const size_t row = i / pieces, piece = i % pieces;
    const uint4 v = reinterpret_cast<const uint4*>(table + static_cast<size_t>(tokens[row]) * width)[piece];
    const float2 a = unpacked_halves(v.x), b = unpacked_halves(v.y), c = unpacked_halves(v.z), d = unpacked_halves(v.w);
    float4* out = reinterpret_cast<float4*>(to + row * width) + piece * 2;
    out[0] = make_float4(a.x, a.y, b.x, b.y);
    out[1] = make_float4(c.x, c.y, d.x, d.y);
}

} // namespace

void embed(const __half* table, const int32_t* tokens, float* to, int rows, int width, cudaStream_t stream) {
    const size_t items = static_cast<size_t>(rows) * width / 8;
    launch(embed_kernel, dim3(static_cast<unsigned>(blocks_for<size_t>(items, threads))), threads, 0, stream, table,
           tokens, to, rows, width);
}

} // namespace longread::gpu
