// Many episodes, or texts before a question, in one call: by our own kernels on a GPU where they can be used, and by
// the engine one after the other where they cannot, or not any more. What is kept of an episode is the same, within
// rounding.
#pragma once
#include "engine/gpu-reader.h"
#include "engine/likelihoods.h"
#include <mutex>

namespace longread {

class Together {
  public:
    // `library`: longread-cuda.so, or empty; `cublas`: libcublasLt. With the model's GPU.
    Together(const Model& model, const std::string& library, const std::string& cublas);

    // Throws as read_episodes does.
    std::vector<std::shared_ptr<Segment>> read(Model& model, const RecallHeads& heads,
                                               const std::vector<EpisodeOptions>& episodes, const Cancel& cancel,
                                               const std::function<void(int)>& progress);

    // As read_queries().
    std::vector<float> queries(Model& model, const RecallHeads& heads, const std::vector<int32_t>& tokens, int from,
                               int distance, const Cancel& cancel);

    // As read_likelihoods(); by our kernels all prefixes are read together, whatever time that takes.
    std::vector<float> likelihoods(Model& model, ReadPrefixes& kept, const std::vector<std::vector<int32_t>>& prefixes,
                                   const std::vector<int32_t>& target, double seconds, const Cancel& cancel,
                                   const std::function<void(int)>& progress);

    // Tokens that are best read in one call; 0: it makes no difference.
    int tokens() const;
    // Why the kernels are not used, a line; empty where they are, and where there are none.
    std::string refusal() const;
    // Where they compute; null where they are not used.
    std::unique_ptr<gpu::Place> place() const;

  private:
    void make_reader(const Model& model, int layers, int window, int sinks);
    void give_up(const std::string& why);
    bool prepare(Model& model, const RecallHeads& heads, const EpisodeOptions& like, const Cancel& cancel);

    mutable std::mutex lock_; // of what follows; read() itself runs under the model's lock
    std::unique_ptr<gpu::Place> place_;
    std::string refusal_;
    GpuReader::Room room_;
    std::unique_ptr<GpuReader> reader_;
    bool agrees_ = false; // what it keeps of files with what the engine keeps
    // What our kernels read at once: not yet compared with the engine's, used, or given up.
    enum class Trial { untried, used, refused };
    Trial deep_ = Trial::untried, heard_ = Trial::untried; // of likelihoods, and of queries
};

} // namespace longread
