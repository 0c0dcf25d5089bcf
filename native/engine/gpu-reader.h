// A model's weights beside ggml's, in half precision, and the kernels of our own (cuda/) that read many episodes at
// once with them.
#pragma once
#include "cuda/episodes.h"
#include "cuda/library.h"
#include "engine/segments.h"
#include <algorithm>

namespace longread {

class GpuReader {
  public:
    // Tokens that a batch of short episodes has, and that the longest episode may have.
    struct Room {
        int rows = 0, longest = 0;
    };

    // For episodes with this window and these sinks, read as deep as `layers` at first. Copies weights, which takes a
    // while. Throws gpu::Failure.
    GpuReader(const gpu::Place& place, const Model& model, int layers, int window, int sinks, const Room& room);
    ~GpuReader();
    GpuReader(const GpuReader&) = delete;
    GpuReader& operator=(const GpuReader&) = delete;

    bool serves(int layers, const EpisodeOptions& like) const {
        return layers <= loaded_ && like.window == shape_.window && like.sinks == shape_.sinks;
    }
    // Queries of these heads for the tokens from `from` on, as read_queries() gives them; at most longest_text()
    // tokens, and no head deeper than has_layers(). Throws gpu::Failure.
    std::vector<float> queries(const RecallHeads& heads, const std::vector<int32_t>& tokens, int from, int distance);
    bool has_layers(int layers) const { return layers <= loaded_; }
    // Mean log-likelihood (nats a token) of `target` right after each prefix, of all of them read together, as
    // read_likelihoods() gives it; every prefix with the target at most longest_text(). The first call copies the
    // weights of the layers that are not there yet. Throws Error("cancelled") between two batches, gpu::Failure.
    std::vector<float> likelihoods(const Model& model, const std::vector<std::vector<int32_t>>& prefixes,
                                   const std::vector<int32_t>& target, const Cancel& cancel,
                                   const std::function<void(int)>& progress);
    // Tokens that are read together without a window that slides.
    int longest_text() const { return std::min(shape_.rows, shape_.window); }
    // Episodes of one format and bank, each of at least one token and at most longest(). Throws Error("cancelled")
    // between two batches, Error("usage"), gpu::Failure. `progress` gets the tokens read of all of them.
    std::vector<std::shared_ptr<Segment>> read(const RecallHeads& heads,
                                               const std::vector<const EpisodeOptions*>& episodes, const Cancel& cancel,
                                               const std::function<void(int)>& progress);
    int longest() const { return shape_.positions; }

    // What the kernels are told of a model.
    static LongreadShape shape_of(const Hyper& h, int layers, int window, int sinks, const Room& room,
                                  bool eight = false);
    // Empty where the kernels can read such a model; otherwise why they cannot.
    static std::string refusal(const Model& model);
    // What keeps the GPU busy and fits beside what is there; none where nothing does.
    static Room room_for(const gpu::Place& place, const Model& model);

  private:
    struct Batch;
    void copy_weights(const Model& model, int layers, int threads);
    void deepen(const Model& model);
    gpu::EpisodeRule rule() const;
    void tell_recall(const RecallHeads& heads, const EpisodeOptions& like);
    Batch begin(const RecallHeads& heads, const std::vector<const EpisodeOptions*>& episodes, size_t first);
    void finish(Batch& batch, const RecallHeads& heads);
    [[noreturn]] void fail() const;

    gpu::Place place_;
    LongreadShape shape_{};
    Hyper hyper_;
    LongreadReader* reader_ = nullptr;
    // Of each layer that is there, empty where the architecture has none: what queries are made with.
    std::vector<std::vector<float>> query_bias_, query_norm_;
    std::vector<float> rope_factors_;
    int loaded_ = 0;          // layers whose weights are there
    bool has_output_ = false; // and those of what comes after them
    uint64_t told_ = 0;       // which heads, format and bank the reader was told
};

} // namespace longread
