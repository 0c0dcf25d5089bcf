// What the benches of the CUDA kernels share.
#pragma once
#include "cuda/check.cuh"
#include "cuda/interface.h"
#include <chrono>
#include <cstdio>
#include <random>
#include <vector>

namespace longread::gpu {

struct BenchGpu {
    char bus_id[64] = "";
    const char* cublas = "libcublasLt.so.13";
};

inline double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Throws what the library says.
inline void expect(bool done) {
    if (!done)
        throw std::runtime_error(longread_cuda_error());
}

// Reading files with random weights of a known shape, beside the products of its layers alone. Prints a JSON line.
void bench_reading(const BenchGpu& gpu, const char* name, const LongreadShape& shape);
// How long it takes to read 32 units again with a question behind each, through all layers. Prints a JSON line.
void bench_likelihoods(const BenchGpu& gpu, const char* name, const LongreadShape& shape);
// A question against so many stored tokens. Prints a JSON line.
void bench_store(const BenchGpu& gpu, int tokens, int head_size, int format);

} // namespace longread::gpu
