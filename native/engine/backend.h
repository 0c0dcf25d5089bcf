// ggml's prebuilt CPU backends: loaded once a process from a folder (ggml picks the variant for this CPU by dlopen, so
// its functions are reached through the registry), one backend object a model.
#pragma once
#include "engine/cancel.h"
#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml.h>
#include <string>

namespace longread {

// Throws Error("engine-missing") when the folder holds no backend that runs on this CPU.
void load_backends(const std::string& folder);

// One CPU backend with its threads. Not thread-safe: one computation at a time (Model holds the lock).
class Backend {
  public:
    explicit Backend(int threads);
    ~Backend();
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;

    // Computes the graph; throws Error("cancelled") when the flag is raised meanwhile, Error("internal") when ggml
    // fails.
    void compute(ggml_cgraph* graph, const Cancel& cancel);

    ggml_backend_t handle() const { return backend_; }
    ggml_backend_buffer_type_t buffer_type() const;
    int threads() const { return threads_; }
    // Which build of ggml's CPU code was chosen, from the name of its library: `zen4`, `haswell`, …
    static std::string variant();

  private:
    ggml_backend_t backend_ = nullptr;
    int threads_ = 1;
};

} // namespace longread
