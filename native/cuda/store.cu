#include "cuda/masses.cuh"
#include "cuda/reader.cuh"
#include "cuda/store.cuh"
#include <algorithm>
#include <cstring>

namespace longread::gpu {
namespace {

constexpr size_t piece_bytes = size_t{64} << 20;
// Keys are read in pieces of 16 bytes; segments keep them at multiples of 64.
constexpr size_t alignment = 64;

} // namespace

Store::Store(const char* bus_id, int format, int head_size, int heads, const int32_t* head_slot)
    : device_(use_device(bus_id)), format_(format), head_size_(head_size), heads_(heads) {
    if ((head_size != 64 && head_size != 128) || heads < 1 ||
        (format != LONGREAD_KEYS_F16 && format != LONGREAD_KEYS_Q8))
        throw std::runtime_error("no kernel scores such keys");
    head_slot_.upload(head_slot, static_cast<size_t>(heads));
}

uint64_t Store::put(const uint8_t* keys, size_t bytes) {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    if (pieces_.empty() || used_ + bytes > pieces_.back().size()) {
        pieces_.emplace_back(std::max(bytes, piece_bytes));
        used_ = 0;
    }
    uint8_t* to = pieces_.back().data() + used_;
    copy_to_gpu(to, keys, bytes);
    used_ += (bytes + alignment - 1) / alignment * alignment;
    return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(to));
}

void Store::clear() {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    pieces_.clear();
    used_ = 0;
}

void Store::score(const LongreadUnit* units, int count, const float* queries, int rows, float* masses) {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    if (count < 1 || rows < 1)
        return;
    const size_t numbers = static_cast<size_t>(heads_) * rows * count;
    const size_t asked = static_cast<size_t>(heads_) * rows * head_size_;
    const size_t padded = static_cast<size_t>(heads_) * padded_rows(rows) * head_size_;
    units_.upload(units, static_cast<size_t>(count));
    queries_.upload(queries, asked);
    high_.reserve(padded);
    low_.reserve(padded);
    masses_.reserve(numbers);
    masses_here_.reserve(numbers);
    split_queries(queries_.data(), high_.data(), low_.data(), heads_, rows, head_size_, stream_);
    gpu::masses(nullptr, units_.data(), count, format_, head_slot_.data(), heads_, high_.data(), low_.data(), rows,
                head_size_, masses_.data(), stream_);
    check(
        cudaMemcpyAsync(masses_here_.data(), masses_.data(), numbers * sizeof(float), cudaMemcpyDeviceToHost, stream_),
        "a copy from the GPU failed");
    stream_.wait();
    std::memcpy(masses, masses_here_.data(), numbers * sizeof(float));
}

} // namespace longread::gpu
