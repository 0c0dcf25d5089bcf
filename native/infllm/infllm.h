// One stream read by InfLLM's method (parameters.h): the window of every layer, the units that left it, and the graph
// of an execution block. On the processor; on a GPU streams are read by kernels of their own (engine/gpu-stream.h).
//
// Window, by layer, fastest first, F16 (F32 where units are F32): keys before and after rotation [key heads * head
// size, slot], values [slot, key heads * head size]. A token's slot is its position in the stream less `base_`, and
// that is where it is rotated to: only distances matter. Slots start_ .. used_ hold the tokens that are in no unit yet.
#pragma once
#include "engine/layer-graph.h"
#include "infllm/unit-memory.h"
#include "infllm/unit-tier.h"
#include <deque>
#include <exception>

namespace longread {

class InfLlm : public UnitMemory {
  public:
    // Throws Error("usage" | "disk" | "internal").
    InfLlm(Model& model, const InfLlmParameters& parameters);

    void cut(const std::vector<int>& lengths) override;
    bool is_cut() const override { return cut_; }
    void read(const int32_t* tokens, int count, const std::vector<int32_t>& rows, const Cancel& cancel,
              std::vector<float>& logits) override;
    int most_tokens() const override { return p_.exc_block_size; }
    void mark() override;
    void rewind() override;
    void save(const std::string& path, const std::string& identity, const Keeping& keeping) override;
    void restore(const std::vector<std::string>& paths, const std::string& identity, const Keeping& keeping) override;
    void use(const std::vector<UnitLists>& units) override;
    void look_among(const Candidates& candidates) override;
    const std::vector<UnitLists>& used_units() const override { return used_units_; }
    std::vector<UnitLists> used_in(int) const override { return used_units_; } // a read is one block
    int units() const override { return tier_.units(); }
    int unit_tokens(int unit) const override { return tier_.tokens(unit); }
    Totals totals() const override;

    // Called when a unit is made, with its rows [layer][keys, values][token][width] F32 (unit-tier.h).
    std::function<void(int tokens, const float* rows)> on_unit;
    // The place of a layer among those that keep units, or -1 for one that slides by itself (gemma3).
    int place_of(int layer) const { return place_[static_cast<size_t>(layer)]; }

  private:
    // Slots of each part of what a step attends to.
    struct Shape {
        int count = 0;                      // tokens
        int from = 0, window = 0;           // first slot of the window and how many
        int sinks = 0, units = 0, rest = 0; // far: sinks, units, rest, in this order
        size_t rows = 0;                    // of logits
        bool uneven = false;                // layers may fill their slots for units differently
        int far() const { return sinks + units + rest; }
        bool operator==(const Shape& other) const;
    };
    struct Inputs {
        ggml_tensor *tokens, *positions, *slots, *value_slots, *distance, *far_positions, *mask, *sliding_mask, *ones,
            *rows;
    };
    // Slots of what is far, end exclusive.
    struct Slots {
        int first, end;
    };
    struct LayerState {
        ggml_tensor *raw_keys, *keys, *values;
        std::vector<float> received;               // [head][slot]
        std::vector<float> sink_keys, sink_values; // [token][width]
        ggml_tensor* share = nullptr;              // of the last graph, [slot of the window, 1, heads]
        std::vector<Slots> filled;                 // of sinks and units, by list
    };
    struct LookUp {
        InfLlm* owner;
        int layer;
    };
    struct Mark {
        int base, start, used, position, sinks, units;
        std::deque<int> lengths;
        bool cut;
        std::vector<std::vector<char>> raw_keys, values;
        std::vector<std::vector<float>> received;
    };

    // infllm.cpp
    size_t bytes() const;
    Shape shape_of(int count, size_t rows) const;
    void leave_window();
    void make_unit(int length);
    void move_to_sinks(int count);
    void raw_rows(const LayerState& state, int slot, int count, float* keys, float* values) const;
    // infllm/window.cpp
    void make_room(int count);
    void rotate_again();
    // infllm/keeping.cpp
    std::string described(const std::string& identity) const;
    void take_window(const std::vector<char>& bytes);
    // infllm/graph.cpp
    void build(const Shape& shape);
    void set_inputs(const int32_t* tokens, const std::vector<int32_t>& rows);
    ggml_tensor* attend(ggml_context* ctx, const LayerGraph& graph, int layer, ggml_tensor* normed);
    ggml_tensor* far_logits(ggml_context* ctx, const LayerGraph& graph, int layer, ggml_tensor* query,
                            ggml_tensor* rotated, ggml_tensor** gathered, ggml_tensor** mask);
    // infllm/lookup.cpp
    std::vector<Standing> standings() const;
    UnitLists look_up(int layer, const ggml_tensor* query) const;
    Slots filled_slots(const std::vector<int>& units) const;
    void gather(int layer, const ggml_tensor* query, ggml_tensor* to);
    void fill_mask(int layer, const ggml_tensor* mask, ggml_tensor* to) const;
    static void gather_op(ggml_tensor* to, int thread, int threads, void* look_up);
    static void mask_op(ggml_tensor* to, int thread, int threads, void* look_up);

    int width() const { return model_.hyper.key_heads * model_.hyper.head_size; }
    int groups() const { return p_.perhead ? model_.hyper.heads : model_.hyper.key_heads; }
    size_t lists() const { return p_.perhead ? static_cast<size_t>(model_.hyper.heads) : 1; }
    bool far_layer(int layer) const { return place_of(layer) >= 0; }
    int sinks() const { return sinks_; }

    Model& model_;
    const ggml_type type_;
    std::vector<int> place_;
    UnitTier tier_;
    int capacity_ = 0; // slots
    std::unique_ptr<Arena> window_;
    std::vector<LayerState> layers_;
    std::vector<UnitIndex> index_; // by place
    std::vector<LookUp> look_ups_;
    Planner planner_;
    std::vector<char> graph_memory_;
    std::unique_ptr<ggml_context, decltype(&ggml_free)> graph_tensors_{nullptr, ggml_free};
    ggml_cgraph* graph_ = nullptr; // null: to be built
    Shape shape_;
    Inputs in_{};
    ggml_tensor* logits_ = nullptr;

    int base_ = 0, start_ = 0, used_ = 0, position_ = 0, sinks_ = 0;
    bool cut_ = false;
    std::deque<int> lengths_; // of the units to come, from start_ on
    std::vector<UnitLists> forced_, used_units_;
    Candidates candidates_;
    std::unique_ptr<Mark> mark_;
    std::exception_ptr failure_; // of an operation within the graph
};

} // namespace longread
