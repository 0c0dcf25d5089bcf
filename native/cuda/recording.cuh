// Work that is sent to the GPU again and again, recorded once (a CUDA graph): starting it costs the processor one call
// instead of one a kernel, and the GPU less between kernels.
#pragma once
#include "cuda/check.cuh"

namespace longread::gpu {

#ifdef LONGREAD_EMULATED

// Where everything is done at once, nothing is recorded.
class Recording {
  public:
    bool there() const { return false; }
    void forget() {}
    template <typename Work> void record(cudaStream_t, const Work&) {}
    void play(cudaStream_t) const {}
};

#else

class Recording {
  public:
    Recording() = default;
    ~Recording() { forget(); }
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;

    bool there() const { return graph_ != nullptr; }
    void forget() {
        if (graph_)
            cudaGraphExecDestroy(graph_);
        graph_ = nullptr;
    }
    // Of what `work` sends to `stream`, and to others between an event of it that they wait for and one of theirs that
    // it waits for; nothing is done yet. Neither memory is taken meanwhile nor anything waited for.
    template <typename Work> void record(cudaStream_t stream, const Work& work) {
        forget();
        check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "nothing can be recorded");
        cudaGraph_t graph = nullptr;
        try {
            work();
        } catch (...) {
            cudaStreamEndCapture(stream, &graph);
            if (graph)
                cudaGraphDestroy(graph);
            cudaGetLastError(); // was thrown
            throw;
        }
        check(cudaStreamEndCapture(stream, &graph), "nothing can be recorded");
        const cudaError_t status = cudaGraphInstantiate(&graph_, graph, 0);
        cudaGraphDestroy(graph);
        check(status, "what was recorded cannot be used");
    }
    void play(cudaStream_t stream) const { check(cudaGraphLaunch(graph_, stream), "the GPU failed"); }

  private:
    cudaGraphExec_t graph_ = nullptr;
};

#endif

} // namespace longread::gpu
