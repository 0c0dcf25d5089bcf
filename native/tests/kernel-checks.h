// Each kernel against its reference, with the bound its header states: on a GPU (cuda-check), or on the processor,
// thread by thread (emulated-check).
#pragma once
#include "cuda/check.cuh"
#include "cuda/half.h"
#include "cuda/reference.h"
#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

namespace longread::gpu {

class Checks {
  public:
    int done = 0, held = 0;

    // Every number within absolute + relative · |what it should be|; infinities must be the same.
    void compare(const std::string& what, const std::vector<float>& is, const std::vector<float>& should,
                 double absolute, double relative);
    void expect(const std::string& what, bool holds);
};

class Random {
  public:
    explicit Random(unsigned seed) : engine_(seed) {}
    int below(int limit) { return static_cast<int>(engine_() % static_cast<unsigned>(limit)); }
    // Normally distributed, as F16 holds them.
    std::vector<float> halves(size_t count, float size);

  private:
    std::mt19937 engine_;
};

// Both ways between F32 here and what kernels have there.
Buffer<__half> halves_there(const std::vector<float>& values);
std::vector<float> halves_here(const Buffer<__half>& from, size_t count);
template <typename T> Buffer<T> there(const std::vector<T>& values) {
    Buffer<T> buffer;
    buffer.upload(values.data(), values.size());
    return buffer;
}
template <typename T> std::vector<T> here(const Buffer<T>& from, size_t count) {
    std::vector<T> values(count);
    from.download(values.data(), count);
    return values;
}

// GPUs before Hopper have no products of 8-bit numbers with a scale a row.
bool has_eight();

// Biases, norms of heads and turns of `positions` positions, here and there.
struct TestHeads {
    TestHeads(int heads, int key_heads, int head_size, bool neox, bool extras, int positions, Random& random);
    reference::Heads here() const;

    int heads, key_heads, head_size;
    bool neox, extras;
    std::vector<float> bias, query_norm, key_norm, turns;
    Buffer<float> bias_there, query_norm_there, key_norm_there, turns_there;
};

void check_rows(Checks& checks);     // norm, embed, gate
void check_rotation(Checks& checks); // rotate, shift_sinks
void check_attention(Checks& checks, bool large);
void check_keys(Checks& checks); // pack, masses, statistics
void check_likelihoods(Checks& checks);
// The kernels of a stream read by InfLLM's method.
void check_infllm(Checks& checks, bool large);
// A whole stream through the C interface.
void check_stream(Checks& checks, const char* bus_id, const char* cublas);
void check_linear(Checks& checks, const char* cublas);
// The whole reading of batches through the C interface, and the store.
void check_reader(Checks& checks, const char* bus_id, const char* cublas, bool large);

struct CheckOptions {
    const char *bus_id = "", *cublas = "";
    bool large = false;                 // also what takes the references minutes
    std::vector<std::string> only = {}; // parts by name: rows, rotation, … as above; none: all
};
// Throws std::runtime_error for a part that there is none of.
void check_all(Checks& checks, const CheckOptions& options);

} // namespace longread::gpu
