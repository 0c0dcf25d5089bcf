// Representative keys of a stream's units, in pieces of units_of_chunk: the first ones on the GPU, as far as they may
// be and there is room; the others in pinned memory of the processor, which kernels read and write by the same address.
// A piece stays where it is.
#pragma once
#include "cuda/check.cuh"
#include "cuda/infllm.cuh"
#include <deque>

namespace longread::gpu {

class KeyChunks {
  public:
    // unit_halves: of a unit, all layers. limit: bytes that are taken of the GPU at most.
    KeyChunks(size_t unit_halves, uint64_t limit)
        : chunk_bytes_(units_of_chunk * unit_halves * sizeof(__half)), limit_(limit) {}

    // Room for so many units. Throws std::runtime_error where neither has memory; what was there is whole then.
    void reserve(size_t units);
    // As kernels take them: [chunk], each [layer][unit][head][head_size] F16, in the GPU's memory. It stays there.
    __half** there() const { return there_.data(); }
    // Each piece that the first `units` are in: its keys, its bytes, whether it is on the GPU.
    template <typename Each> void each(size_t units, const Each& each) const {
        for (size_t i = 0; i < blocks_for<size_t>(units, units_of_chunk); ++i)
            each(chunks_[i].keys(), chunk_bytes_, chunks_[i].there.data() != nullptr);
    }
    uint64_t gpu_bytes() const { return on_gpu_ * chunk_bytes_; }
    uint64_t pinned_bytes() const { return (chunks_.size() - on_gpu_) * chunk_bytes_; }

  private:
    struct Chunk {
        Chunk(size_t halves, bool on_gpu) {
            if (on_gpu)
                there.reserve(halves);
            else
                here.reserve(halves);
        }
        __half* keys() const { return there.data() ? there.data() : here.data(); }

        Buffer<__half> there; // one of both
        Pinned<__half> here;
    };
    bool has_room() const;

    size_t chunk_bytes_;
    uint64_t limit_;
    std::deque<Chunk> chunks_;
    size_t on_gpu_ = 0;
    Buffer<__half*> there_;
};

} // namespace longread::gpu
