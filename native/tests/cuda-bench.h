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

// Of a model of this shape; all its layers have the same.
struct RandomWeights {
    explicit RandomWeights(const LongreadShape& shape);
    LongreadLayer layer() const;

    std::vector<uint16_t> embedding, qkv, output, gate_up, down;
    std::vector<float> turns, ones; // of all positions; norms
};

// Reading files with random weights of a known shape, beside the products of its layers alone. Prints a JSON line.
void bench_reading(const BenchGpu& gpu, const char* name, const LongreadShape& shape);
// How long it takes to read 32 units again with a question behind each, through all layers. Prints a JSON line.
void bench_likelihoods(const BenchGpu& gpu, const char* name, const LongreadShape& shape);
// A question against so many stored tokens. Prints a JSON line.
void bench_store(const BenchGpu& gpu, int tokens, int head_size, int format);
// Where units of a stream rest.
struct UnitRest {
    const char* folder = nullptr; // for those that memory does not hold; null: there can be none
    uint64_t host_bytes = 0;      // of memory at most; 0: four fifths of what is free, and no more than 100 GB
};
// One stream by InfLLM's method with the paper's parameters and random weights: streaming and decoding at some lengths,
// the GPU's memory, and how many units were found there. Prints a JSON line a length.
void bench_infllm(const BenchGpu& gpu, const char* name, const LongreadShape& shape, const UnitRest& rest);
// The same, up to so many tokens: how long each stage of reading 4,096 tokens takes, and of one token after them, all
// kernels one after the other; and how quickly it reads where memory for units was taken before. cut: units are of 8 to
// 88 tokens. repr_bytes: of LongreadStreamShape. Prints JSON lines.
void bench_stages(const BenchGpu& gpu, const char* name, const LongreadShape& shape, int most_tokens, bool cut,
                  uint64_t repr_bytes);
// How quickly memory of the processor is taken and pinned, and what kernels started meanwhile wait. Prints JSON lines.
void bench_pinning();

// The paper's parameters (its config/llama-3-inf-llm.yaml).
LongreadStreamShape paper_shape(const LongreadShape& model);
LongreadStream* random_stream(const BenchGpu& gpu, const LongreadStreamShape& shape);
// What units take of the processor's memory, for each token.
uint64_t unit_bytes_of_token(const LongreadStreamShape& shape);

} // namespace longread::gpu
