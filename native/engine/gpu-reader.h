// A model's weights beside ggml's, in half precision, and the kernels of our own (cuda/) that read many episodes at
// once with them.
#pragma once
#include "cuda/library.h"
#include "engine/segments.h"

namespace longread {

class GpuReader {
  public:
    // Tokens that a batch of short episodes has, and that the longest episode may have.
    struct Room {
        int rows = 0, longest = 0;
    };

    // For episodes with this window and these sinks, read as deep as `layers`. Copies weights, which takes a while.
    // Throws gpu::Failure.
    GpuReader(const gpu::Place& place, const Model& model, int layers, int window, int sinks, const Room& room);
    ~GpuReader();
    GpuReader(const GpuReader&) = delete;
    GpuReader& operator=(const GpuReader&) = delete;

    bool serves(int layers, const EpisodeOptions& like) const {
        return layers <= shape_.layers && like.window == shape_.window && like.sinks == shape_.sinks;
    }
    // Episodes of one format and bank, each of at least one token and at most longest(). Throws Error("cancelled")
    // between two batches, Error("usage"), gpu::Failure. `progress` gets the tokens read of all of them.
    std::vector<std::shared_ptr<Segment>> read(const RecallHeads& heads,
                                               const std::vector<const EpisodeOptions*>& episodes, const Cancel& cancel,
                                               const std::function<void(int)>& progress);
    int longest() const { return shape_.positions; }

    // What the kernels are told of a model.
    static LongreadShape shape_of(const Hyper& h, int layers, int window, int sinks, const Room& room);
    // Empty where the kernels can read such a model; otherwise why they cannot.
    static std::string refusal(const Model& model);
    // What keeps the GPU busy and fits beside what is there; none where nothing does.
    static Room room_for(const gpu::Place& place, const Model& model);

  private:
    struct Batch;
    void copy_weights(const Model& model, int layers);
    void tell_recall(const RecallHeads& heads, const EpisodeOptions& like);
    Batch begin(const RecallHeads& heads, const std::vector<const EpisodeOptions*>& episodes, size_t first);
    void finish(Batch& batch, const RecallHeads& heads);
    [[noreturn]] void fail() const;

    gpu::Place place_;
    LongreadShape shape_{};
    Hyper hyper_;
    LongreadReader* reader_ = nullptr;
    uint64_t told_ = 0; // which heads, format and bank the reader was told
};

} // namespace longread
