// Reads batches of episodes on a GPU: no deeper than the deepest recall head, and keeps of them what recall needs; or
// through all layers, for how likely tokens are.
#pragma once
#include "cuda/check.cuh"
#include "cuda/interface.h"
#include "cuda/layer-weights.cuh"
#include <vector>

namespace longread::gpu {

// Makes the device with this PCI bus id the thread's own and gives its number. Throws std::runtime_error.
int use_device(const char* bus_id);

class Reader {
  public:
    Reader(const char* bus_id, const char* cublas, const LongreadShape& shape, const float* turns,
           const uint16_t* embedding);

    void set_layer(int layer, const LongreadLayer& weights);
    void set_recall(const LongreadRecall& recall);
    // Two batches may be on their way.
    void begin(const LongreadBatch& batch);
    LongreadRead finish();
    // [layer][row from `first` on][width of all heads]; waits for them, while no other batch is on its way.
    void heads(const LongreadBatch& batch, const int32_t* layers, int layer_count, int first, uint16_t* to);
    void set_output(const LongreadOutput& output);
    // [count]; waits for them, while no other batch is on its way.
    void likelihoods(const LongreadBatch& batch, const int32_t* rows, const int32_t* wanted, int count, float* to);

    // Throws std::runtime_error for a shape that the kernels do not know.
    static void check_shape(const LongreadShape& shape);
    static uint64_t bytes(const LongreadShape& shape);

  private:
    // The lists of a batch, in one piece of memory: copied by one call.
    struct Lists {
        Pinned<uint8_t> here;
        Buffer<uint8_t> there;
        const int32_t *tokens, *positions, *kept_rows;
        const LongreadTile* tiles;
        const LongreadShift* shifts;
        const LongreadGroup* groups;
        const LongreadUnit* units;

        void send(const LongreadBatch& batch, cudaStream_t stream);
    };
    struct Slot {
        Lists lists;
        Buffer<uint8_t> keys;
        Buffer<float> statistics; // means, then deviations
        Pinned<uint8_t> keys_here;
        Pinned<float> statistics_here;
        Event computed, copied;
        size_t units = 0;
    };
    struct Recall {
        bool told = false;
        int format = 0, deepest = 0, heads = 0, questions = 0, rows = 0;
        std::vector<std::pair<int, int>> slots_of; // by layer: the first slot, and how many
        Buffer<int32_t> key_head, head_slot, question_rows;
        Buffer<__half> high, low; // the reference questions' queries
    };

    size_t head_width(int heads) const { return static_cast<size_t>(heads) * static_cast<size_t>(shape_.head_size); }
    void reserve(int rows);
    void tune();
    void read(const LongreadBatch& batch, Slot& slot);
    // Products of a layer, of which the attention's are there already in `qkv`: attention, and then the rest.
    void attend(const LayerWeights& layer, const LongreadBatch& batch, const Lists& lists, __half* qkv);
    void feed(const LayerWeights& layer, const LongreadBatch& batch);
    // Sends what a batch that is read at once needs of its lists, and embeds its tokens. `layers`: that must be there.
    void begin_at_once(const LongreadBatch& batch, int layers);
    void take_statistics(const LongreadBatch& batch, Slot& slot);

    LongreadShape shape_;
    int device_;
    Linear linear_;
    Stream computing_, copying_;
    Buffer<float> turns_;
    Buffer<__half> embedding_;
    std::vector<LayerWeights> layers_;
    Recall recall_;
    bool tuned_ = false;

    // [row][…] of the batch that is computed: the residual, what is multiplied next, and either queries, keys and
    // values beside mixed values or gates and ups beside what they give.
    Buffer<float> x_;
    Buffer<__half> normed_, wide_;
    Buffer<__half> shifted_;
    Rows rows_;
    Buffer<float> masses_; // [head][row of the reference questions][unit], of some heads

    // What comes after the last layer; of a batch for likelihoods its lists, the rows that are wanted, a part of their
    // logits, and what those come to.
    Buffer<float> output_norm_, output_bias_;
    Buffer<__half> output_; // empty where the embedding stands for it
    Lists deep_lists_;
    Pinned<__half> heads_here_;
    Buffer<int32_t> wanted_rows_, wanted_;
    Buffer<__half> picked_;
    Buffer<float> logits_, sums_, likelihoods_;

    Slot slots_[2];
    int begun_ = 0, finished_ = 0; // batches; slot = number % 2
};

} // namespace longread::gpu
