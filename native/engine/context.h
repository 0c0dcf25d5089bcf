// One sequence being read: its cache of keys and values, and the graph of each batch. A context slides: when the cache
// is full, the oldest tokens leave it and the attention sinks (StreamingLLM, arXiv 2309.17453; n_init in InfLLM) are
// rotated anew so that they stay right before the window.
//
// Layouts, as ggml writes them (fastest first): cache keys and values [head size, key heads, slot] F16;
// captured keys [head size, key heads, token] F32, not rotated; captured queries [head size, heads, token] F32, all
// rotated to one distance; logits [vocabulary, row] F32; watched attention [slot, 1, heads] F32.
#pragma once
#include "engine/model.h"
#include "engine/sliding.h"
#include <vector>

namespace longread {

struct ContextOptions {
    int capacity = 0; // slots of the cache; at least sinks + window + batch where it slides
    int layers = 0;   // how many of the model's layers are ever run
    int window = 0;   // 0: everything before a token is seen
    int sinks = 0;
    int batch = 0; // tokens read at once at most; 0: what suits the device
    // Of the model's devices, beside the model's own; null: the model's. With one of its own a context may compute
    // without the model's lock.
    Backend* backend = nullptr;
};

// What a batch should give beside filling the cache.
struct Wanted {
    std::vector<int> keys;     // layers whose keys are captured
    std::vector<int> queries;  // layers whose queries are captured
    int query_distance = 0;    // position to which captured queries are rotated
    bool stop_early = false;   // stop after the keys (and queries) of the deepest captured layer; no logits
    std::vector<int32_t> rows; // tokens of the batch whose logits are wanted
    bool best = false;         // of them only the likeliest token, not the logits
    std::vector<int> watch;    // layers whose attention of the batch's last token is wanted
};

struct Captured {
    // Indexed like Wanted::keys, queries and watch.
    std::vector<std::vector<float>> keys, queries, attention;
    std::vector<float> logits;
    std::vector<int32_t> best; // [row]; of equally likely tokens any one
};

class Context {
  public:
    Context(const Model& model, const ContextOptions& options);
    ~Context();
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    // Reads `count` tokens (at most options.batch) after those read before. Token ids must be within the vocabulary.
    // Throws Error("cancelled"); the context is then only good for reset().
    void read(const int32_t* tokens, int count, const Wanted& wanted, const Cancel& cancel, Captured& captured);

    void reset();
    // Forgets everything after the first `tokens` tokens (only where the context has not slid).
    void truncate(int tokens);
    // Keys and values of the first `tokens` tokens read, [layer][keys, values][token][key heads * head size] F16; only
    // of a context that does not slide. `restore` stands in for reading them.
    std::vector<char> save(int tokens) const;
    void restore(int tokens, const std::vector<char>& rows);
    int position() const { return position_; }
    int batch() const { return options_.batch; }

  private:
    struct Inputs {
        ggml_tensor *tokens, *positions, *slots, *distance, *mask, *sliding_mask, *rows, *sink_shift;
        ggml_tensor* all; // on a GPU: the bytes of all of them
        int count, used_slots;
    };
    struct Outputs {
        std::vector<ggml_tensor*> keys, queries, attention;
        ggml_tensor *logits, *best;
    };
    void make_room(int count);
    void keep_sinks();
    bool same_graph(int count, int slots, const Wanted& wanted) const;
    void build(int count, int slots, const Wanted& wanted);
    void place_inputs(ggml_context* ctx);
    size_t bytes_to_come() const;
    ggml_tensor* attend(ggml_context* ctx, int layer, ggml_tensor* normed, const Wanted& wanted);
    void set_inputs(const int32_t* tokens, const Wanted& wanted, char* staged);
    void compute(const int32_t* tokens, const Wanted& wanted, const Cancel& cancel, Captured& captured);

    const Model& model_;
    ContextOptions options_; // its backend is never null
    std::unique_ptr<Arena> cache_;
    std::vector<ggml_tensor*> keys_, values_; // by layer
    std::vector<ggml_tensor*> sink_keys_;     // F32, as first rotated; made when the window first slides
    Planner planner_;
    std::vector<char> graph_memory_;
    // The graph of the last batch. While one token follows another it stays the same but for what its inputs hold, so
    // it is neither built nor laid out again, and on a GPU its launches are recorded once (CUDA graphs).
    std::unique_ptr<ggml_context, decltype(&ggml_free)> graph_tensors_{nullptr, ggml_free};
    ggml_cgraph* graph_ = nullptr;
    Wanted graph_wanted_;
    Inputs in_{};
    Outputs out_{};
    ggml_backend_buffer_t gpu_inputs_ = nullptr; // on a GPU inputs lie where they are used
    std::vector<char> staged_;                   // what is to be there, where none of it is pinned
    std::vector<int> slot_position_;             // position of the token in each used slot
    int used_ = 0;                               // slots in use
    int position_ = 0;                           // tokens read
    int sink_shift_ = 0;                         // how far the sinks are to be rotated on; 0 before the window slides
};

} // namespace longread
