// Keys of many episodes on a GPU, and questions scored against all of them.
#pragma once
#include "cuda/check.cuh"
#include "cuda/interface.h"
#include <vector>

namespace longread::gpu {

class Store {
  public:
    Store(const char* bus_id, int format, int head_size, int heads, const int32_t* head_slot);

    // Throws std::runtime_error where memory is short.
    uint64_t put(const uint8_t* keys, size_t bytes);
    void clear();
    void score(const LongreadUnit* units, int count, const float* queries, int rows, float* masses);

  private:
    int device_, format_, head_size_, heads_;
    Buffer<int32_t> head_slot_;
    // Keys lie in large pieces of memory, one episode after the other; `used_` of the last.
    std::vector<Buffer<uint8_t>> pieces_;
    size_t used_ = 0;
    Stream stream_;
    Buffer<LongreadUnit> units_;
    Buffer<float> queries_, masses_;
    Buffer<__half> high_, low_;
    Pinned<float> masses_here_;
};

} // namespace longread::gpu
