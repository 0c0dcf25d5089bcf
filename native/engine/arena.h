// Tensors with memory of their own, on the CPU and on the GPU: first all are declared, then they are given their
// memory.
#pragma once
#include "engine/backend.h"

namespace longread {

class Arena {
  public:
    // `most`: how many tensors are declared at most.
    Arena(const Backend& backend, size_t most);
    ~Arena();
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    // Declare tensors here (ggml_new_tensor_…). Without a GPU there is one place for all.
    ggml_context* on(bool gpu) { return places_[gpu && places_[1].tensors ? 1 : 0].tensors; }
    // False where memory is short. `usage`: weights are told apart, so that work goes to where they lie.
    bool allocate(ggml_backend_buffer_usage usage);
    // All bytes zero.
    void clear();
    size_t bytes() const;

  private:
    struct Place {
        ggml_backend_t backend = nullptr;
        ggml_context* tensors = nullptr;
        ggml_backend_buffer_t buffer = nullptr; // null where no tensor was declared
    };
    Place places_[2]; // CPU, GPU
};

} // namespace longread
