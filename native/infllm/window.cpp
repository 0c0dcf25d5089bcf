// The window moves to its front, and goes back to what was marked.
#include "infllm/infllm.h"
#include <algorithm>
#include <cstring>

namespace longread {

// Moves what is still needed to the front of the window, where the next tokens do not fit behind it.
void InfLlm::make_room(int count) {
    if (used_ + count <= capacity_)
        return;
    const size_t size = ggml_type_size(type_), row = static_cast<size_t>(width()) * size;
    const size_t kept = static_cast<size_t>(used_ - start_), from = static_cast<size_t>(start_);
    const size_t slots = static_cast<size_t>(capacity_);
    for (LayerState& state : layers_) {
        char* keys = static_cast<char*>(state.raw_keys->data);
        std::memmove(keys, keys + from * row, kept * row);
        char* values = static_cast<char*>(state.values->data);
        for (size_t d = 0; d < static_cast<size_t>(width()); ++d)
            std::memmove(values + d * slots * size, values + (d * slots + from) * size, kept * size);
        for (size_t at = 0; at < state.received.size(); at += slots) {
            const auto first = state.received.begin() + static_cast<std::ptrdiff_t>(at);
            std::copy(first + start_, first + used_, first);
            std::fill(first + static_cast<std::ptrdiff_t>(kept), first + capacity_, 0.0f);
        }
    }
    base_ += start_;
    used_ -= start_;
    start_ = 0;
    rotate_again();
}

void InfLlm::rotate_again() {
    const Hyper& h = model_.hyper;
    graph_ = nullptr;
    if (used_ == 0)
        return;
    graph_tensors_.reset();
    graph_tensors_.reset(ggml_init({graph_memory_.size(), graph_memory_.data(), true}));
    ggml_context* ctx = graph_tensors_.get();
    ggml_tensor* positions = ggml_new_tensor_1d(ctx, GGML_TYPE_I32, used_);
    ggml_set_input(positions);
    ggml_cgraph* turning = ggml_new_graph_custom(ctx, max_nodes, false);
    const LayerGraph graph(ctx, model_);
    for (int l = 0; l < h.layers; ++l) {
        const LayerState& state = layers_[static_cast<size_t>(l)];
        ggml_tensor* raw = ggml_view_3d(ctx, state.raw_keys, h.head_size, h.key_heads, used_,
                                        ggml_row_size(type_, h.head_size), state.raw_keys->nb[1], 0);
        ggml_tensor* turned = graph.rotate(raw, positions, h.rope_of(l), h.rope_of(l).length);
        ggml_tensor* place = ggml_view_2d(ctx, state.keys, width(), used_, state.keys->nb[1], 0);
        ggml_build_forward_expand(turning, ggml_cpy(ctx, ggml_reshape_2d(ctx, turned, width(), used_), place));
    }
    planner_.lay_out(turning);
    std::vector<int32_t> numbers(static_cast<size_t>(used_));
    for (int s = 0; s < used_; ++s)
        numbers[static_cast<size_t>(s)] = s;
    ggml_backend_tensor_set(positions, numbers.data(), 0, ggml_nbytes(positions));
    planner_.compute(turning, Cancel()); // milliseconds, and half of it would leave nothing whole
}

void InfLlm::mark() {
    auto mark = std::make_unique<Mark>();
    mark->base = base_ + start_;
    mark->start = 0;
    mark->used = used_ - start_;
    mark->position = position_;
    mark->sinks = sinks_;
    mark->units = tier_.units();
    mark->lengths = lengths_;
    mark->cut = cut_;
    const size_t size = ggml_type_size(type_), row = static_cast<size_t>(width()) * size;
    const size_t kept = static_cast<size_t>(mark->used), from = static_cast<size_t>(start_);
    for (const LayerState& state : layers_) {
        const char* keys = static_cast<const char*>(state.raw_keys->data) + from * row;
        mark->raw_keys.emplace_back(keys, keys + kept * row);
        std::vector<char> values(kept * row);
        for (size_t d = 0; d < static_cast<size_t>(width()); ++d)
            std::memcpy(values.data() + d * kept * size,
                        static_cast<const char*>(state.values->data) + (d * capacity_ + from) * size, kept * size);
        mark->values.push_back(std::move(values));
        std::vector<float> received;
        for (size_t at = 0; at < state.received.size(); at += static_cast<size_t>(capacity_))
            received.insert(received.end(), state.received.begin() + static_cast<std::ptrdiff_t>(at) + start_,
                            state.received.begin() + static_cast<std::ptrdiff_t>(at) + used_);
        mark->received.push_back(std::move(received));
    }
    mark_ = std::move(mark);
}

void InfLlm::rewind() {
    if (!mark_)
        throw Error("internal", "Nothing was marked.");
    const Mark& mark = *mark_;
    base_ = mark.base;
    start_ = mark.start;
    used_ = mark.used;
    position_ = mark.position;
    sinks_ = mark.sinks;
    lengths_ = mark.lengths;
    cut_ = mark.cut;
    tier_.truncate(mark.units);
    for (UnitIndex& index : index_)
        index.truncate(mark.units);
    forced_.clear();
    const size_t size = ggml_type_size(type_), kept = static_cast<size_t>(used_);
    for (size_t l = 0; l < layers_.size(); ++l) {
        LayerState& state = layers_[l];
        std::memcpy(state.raw_keys->data, mark.raw_keys[l].data(), mark.raw_keys[l].size());
        for (size_t d = 0; d < static_cast<size_t>(width()); ++d)
            std::memcpy(static_cast<char*>(state.values->data) + d * capacity_ * size,
                        mark.values[l].data() + d * kept * size, kept * size);
        std::fill(state.received.begin(), state.received.end(), 0.0f);
        for (size_t at = 0, from = 0; at < state.received.size(); at += static_cast<size_t>(capacity_), from += kept)
            std::copy_n(mark.received[l].begin() + static_cast<std::ptrdiff_t>(from), kept,
                        state.received.begin() + static_cast<std::ptrdiff_t>(at));
        const size_t sinks = static_cast<size_t>(sinks_) * width();
        state.sink_keys.resize(sinks);
        state.sink_values.resize(sinks);
    }
    rotate_again();
}

} // namespace longread
