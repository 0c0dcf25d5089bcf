// What brings units to their places, and frees these.
#include "cuda/check.cuh"
#include "cuda/infllm.cuh"

namespace longread::gpu {
namespace {

constexpr int fetch_threads = 256, fetch_parts = 8;

// Each unit by eight blocks of threads, so that many requests are on their way at once.
__global__ void __launch_bounds__(fetch_threads)
    fetch_kernel(const StreamUnit* units, const FarPart* far, const UnitCopy* copies, int layer, int width,
                 __half* keys, __half* values) {
    if (static_cast<int>(blockIdx.y) >= far->copies)
        return;
    const UnitCopy copy = copies[blockIdx.y];
    const StreamUnit unit = units[copy.unit];
    if (unit.address == 0) // in a file
        return;
    const size_t part = static_cast<size_t>(unit.tokens) * width / 8; // pieces of 16 bytes
    const uint4* from = reinterpret_cast<const uint4*>(unit.address) + 2 * part * layer;
    uint4* to_keys = reinterpret_cast<uint4*>(keys + static_cast<size_t>(copy.row) * width);
    uint4* to_values = reinterpret_cast<uint4*>(values + static_cast<size_t>(copy.row) * width);
    for (size_t i = blockIdx.x * fetch_threads + threadIdx.x; i < part; i += fetch_threads * fetch_parts) {
        to_keys[i] = from[i];
        to_values[i] = from[part + i];
    }
}

constexpr int forget_threads = 256;

__global__ void __launch_bounds__(forget_threads) forget_kernel(int32_t* unit, int places, int units) {
    const int i = static_cast<int>(blockIdx.x * forget_threads + threadIdx.x);
    if (i < places && unit[i] >= units)
        unit[i] = -1;
}

} // namespace

void fetch_units(const StreamUnit* units, const LookUpArrays& arrays, int most, int layer, const StreamLayout& l,
                 const StreamLayer& to, cudaStream_t stream) {
    launch(fetch_kernel, dim3(fetch_parts, static_cast<unsigned>(most)), fetch_threads, 0, stream, units, arrays.far,
           arrays.copies, layer, l.width(), to.keys, to.values);
}

void forget_units(int32_t* unit, int places, int units, cudaStream_t stream) {
    launch(forget_kernel, dim3(static_cast<unsigned>(blocks_for(places, forget_threads))), forget_threads, 0, stream,
           unit, places, units);
}

} // namespace longread::gpu
