// Where a model is computed: ggml's prebuilt CPU backend, loaded once a process from a folder (ggml picks the variant
// for this CPU by dlopen, so its functions are reached through the registry), and beside it a GPU where one is used.
#pragma once
#include "engine/cancel.h"
#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml.h>
#include <string>

namespace longread {

// Nodes of the largest graph: up to 40 a layer.
constexpr size_t max_nodes = 16384;

// Throws Error("engine-missing") when the folder holds no backend that runs on this CPU.
void load_backends(const std::string& folder);

// One CPU backend with its threads and at most one GPU. Not thread-safe: one computation at a time (Model holds the
// lock).
class Backend {
  public:
    // `gpu` null: the CPU alone.
    Backend(int threads, ggml_backend_dev_t gpu);
    ~Backend();
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;

    ggml_backend_t cpu() const { return cpu_; }
    ggml_backend_t gpu() const { return gpu_; }
    ggml_backend_dev_t gpu_device() const { return gpu_ ? ggml_backend_get_device(gpu_) : nullptr; }
    int threads() const { return threads_; }
    // Tokens of a prompt computed at once. A GPU of 1,000 TFLOP/s is not kept busy by the 512 that suit a CPU.
    int batch() const { return gpu_ ? 2048 : 512; }
    // At least so many bytes of the processor's memory, pinned where the GPU's device offers that: it copies from and
    // to them without a stop. The same ones until more is asked for; null where memory is short.
    char* pinned(size_t bytes);
    // Free bytes of the GPU's memory; 0 without one.
    size_t free_memory() const;
    // Which build of ggml's CPU code was chosen, from the name of its library: `zen4`, `haswell`, …
    static std::string variant();

  private:
    friend class Planner;
    // Made with the first graph on the GPU and kept, so that its memory is not asked for again with every context.
    ggml_backend_sched_t scheduler();
    ggml_backend_buffer_type_t pinned_type() const;

    ggml_backend_t cpu_ = nullptr, gpu_ = nullptr;
    ggml_backend_sched_t scheduler_ = nullptr;
    ggml_backend_buffer_t pinned_ = nullptr;
    const void* laid_out_ = nullptr; // the planner whose graph the scheduler holds
    int threads_ = 1;
};

// Gives the nodes of a graph their memory and computes it, as often as it is wanted with other inputs. With a GPU,
// nodes whose weights lie there or that it knows are computed there, the others on the CPU.
class Planner {
  public:
    explicit Planner(Backend& backend);
    ~Planner();
    Planner(const Planner&) = delete;
    Planner& operator=(const Planner&) = delete;

    // Throws Error("internal") where memory is short. Ends the graph that was laid out before.
    void lay_out(ggml_cgraph* graph);
    // Whether lay_out()'s graph still holds its memory.
    bool holds() const;
    // Starts from what inputs hold now. Throws Error("cancelled") when the flag is raised meanwhile (a GPU ends what
    // was sent to it first), Error("internal") when ggml fails.
    void compute(ggml_cgraph* graph, const Cancel& cancel);
    // The GPU, where all of the graph that is laid out is its own; else null. Then the graph may be computed in two
    // halves: what was copied to the GPU before them or is copied back between them on its own queue (ggml's …_async)
    // is done when the second has ended.
    ggml_backend_t queue() const;
    void begin(ggml_cgraph* graph, const Cancel& cancel);
    void end(const Cancel& cancel);

  private:
    Backend& backend_;
    ggml_gallocr_t allocator_ = nullptr; // without a GPU
    bool laid_out_ = false;
    ggml_backend_t queue_ = nullptr;
};

} // namespace longread
