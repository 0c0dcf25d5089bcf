#include "recall/masses.h"
#include "recall/masses-kernel.h"
#include <cstdlib>
#include <memory>

namespace longread {

using Function = void (*)(const KeyView&, int, int, const float*, int, float*, size_t, void*);
void masses_avx512(const KeyView&, int, int, const float*, int, float*, size_t, void*);
void masses_avx2(const KeyView&, int, int, const float*, int, float*, size_t, void*);

namespace {

void masses_portable(const KeyView& keys, int begin, int end, const float* queries, int rows, float* out,
                     size_t out_stride, void* scratch) {
    all_masses(keys, begin, end, queries, rows, out, out_stride, scratch);
}

struct Choice {
    Function function;
    const char* name;
};

Choice choose() {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return {masses_avx512, "avx512"};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return {masses_avx2, "avx2"};
    return {masses_portable, "portable"};
}

const Choice& chosen() {
    static const Choice choice = choose();
    return choice;
}

// Products of one block of rows with a unit's keys, kept by each thread; 64-byte aligned for whole vectors.
struct Scratch {
    std::unique_ptr<void, decltype(&std::free)> memory{nullptr, std::free};
    size_t bytes = 0;

    void* at_least(size_t wanted) {
        if (bytes < wanted) {
            memory.reset(std::aligned_alloc(64, wanted));
            if (!memory)
                throw std::bad_alloc();
            bytes = wanted;
        }
        return memory.get();
    }
};

} // namespace

void unit_masses(const KeyView& keys, int begin, int end, const float* queries, int rows, float* out,
                 size_t out_stride) {
    if (begin >= end) {
        for (int r = 0; r < rows; ++r)
            out[r * out_stride] = -__builtin_inff();
        return;
    }
    thread_local Scratch scratch;
    const size_t groups = static_cast<size_t>((end - 1) / group_tokens - begin / group_tokens + 1);
    void* products = scratch.at_least(groups * row_block * group_tokens * sizeof(float));
    chosen().function(keys, begin, end, queries, rows, out, out_stride, products);
}

const char* masses_instructions() { return chosen().name; }

} // namespace longread
