#include "cuda/key-chunks.cuh"

namespace longread::gpu {
namespace {

// Of the GPU's memory that representative keys leave alone: for what a stream takes later (up to 72 bytes a unit,
// logits, a mark), other readers of this process, and other programs.
constexpr size_t spare_bytes = size_t{512} << 20;

} // namespace

bool KeyChunks::has_room() const {
    if (gpu_bytes() + chunk_bytes_ > limit_)
        return false;
    size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "the GPU cannot be used");
    return free >= chunk_bytes_ + spare_bytes;
}

void KeyChunks::reserve(size_t units) {
    there_.reserve(most_units / units_of_chunk);
    while (chunks_.size() * units_of_chunk < units) {
        const bool on_gpu = has_room();
        chunks_.emplace_back(chunk_bytes_ / sizeof(__half), on_gpu);
        on_gpu_ += on_gpu;
        __half* const keys = chunks_.back().keys();
        copy_to_gpu(there_.data() + chunks_.size() - 1, &keys, sizeof keys);
    }
}

} // namespace longread::gpu
