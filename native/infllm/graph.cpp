// The graph of one execution block. Logits of what is far and of the window are put side by side and go through one
// softmax, so no partial result has to be scaled afterwards; each part is then multiplied with its own values.
#include "infllm/infllm.h"
#include <algorithm>
#include <cmath>

namespace longread {

// The queries' products with what is far: [slot, token, head], slots as Shape has them. `query`: not rotated;
// `rotated`: to the tokens' own positions. Also gives the keys and values that were gathered and the layer's mask.
ggml_tensor* InfLlm::far_logits(ggml_context* ctx, const LayerGraph& graph, int layer, ggml_tensor* query,
                                ggml_tensor* rotated, ggml_tensor** gathered, ggml_tensor** mask) {
    const Hyper& h = model_.hyper;
    const Rope& rope = h.rope_of(layer);
    LookUp* look_up = &look_ups_[static_cast<size_t>(layer)];
    const int far = shape_.far();
    ggml_tensor* looking = graph.rotate(query, in_.distance, rope, rope.length);
    const int64_t row = static_cast<int64_t>(groups()) * h.head_size;
    // Keys [groups * head size, slot], then values [slot, groups * head size].
    *gathered = ggml_custom_4d(ctx, type_, 2 * row * far, 1, 1, 1, &looking, 1, gather_op, 1, look_up);
    *mask = in_.mask;
    if (shape_.uneven) {
        ggml_tensor* from[] = {in_.mask, *gathered}; // known only once units are looked up
        *mask = ggml_custom_4d(ctx, in_.mask->type, in_.mask->ne[0], in_.mask->ne[1], static_cast<int64_t>(lists()), 1,
                               from, 2, mask_op, 1, look_up);
    }
    const size_t head = ggml_row_size(type_, h.head_size), slot = ggml_row_size(type_, row);
    if (p_.places == Places::ordered) {
        ggml_tensor* keys = ggml_view_3d(ctx, *gathered, h.head_size, groups(), far, head, slot, 0);
        keys = graph.rotate(keys, in_.far_positions, rope, rope.length);
        return ggml_mul_mat(ctx, ggml_permute(ctx, keys, 0, 2, 1, 3), ggml_permute(ctx, rotated, 0, 2, 1, 3));
    }
    ggml_tensor* keys = ggml_view_3d(ctx, *gathered, h.head_size, far, groups(), slot, head, 0);
    // Keys that were not rotated lack what rotating lengthens.
    const float scale = (h.scale_queries ? h.attention_scale : 1.0f) * rope.stretch();
    if (scale != 1.0f)
        looking = ggml_scale(ctx, looking, scale);
    return ggml_mul_mat(ctx, keys, ggml_permute(ctx, looking, 0, 2, 1, 3));
}

ggml_tensor* InfLlm::attend(ggml_context* ctx, const LayerGraph& graph, int layer, ggml_tensor* normed) {
    const Hyper& h = model_.hyper;
    const Layer& w = model_.layers[static_cast<size_t>(layer)];
    LayerState& state = layers_[static_cast<size_t>(layer)];
    const Rope& rope = h.rope_of(layer);
    const int count = shape_.count, window = shape_.window;

    ggml_tensor* query = graph.split_heads(w.wq, w.bq, w.q_norm, normed, h.heads);
    ggml_tensor* key = graph.split_heads(w.wk, w.bk, w.k_norm, normed, h.key_heads);
    ggml_tensor* value = graph.split_heads(w.wv, w.bv, nullptr, normed, h.key_heads);
    ggml_tensor* rotated = graph.rotate(query, in_.positions, rope, rope.length);
    if (h.scale_queries)
        rotated = ggml_scale(ctx, rotated, h.attention_scale);
    auto store = [&](ggml_tensor* x, ggml_tensor* to) {
        x = ggml_reshape_2d(ctx, x, width(), count);
        ggml_build_forward_expand(graph_, ggml_set_rows(ctx, to, x, in_.slots));
    };
    store(key, state.raw_keys);
    store(graph.rotate(key, in_.positions, rope, rope.length), state.keys);
    const int64_t all = ggml_nelements(state.values);
    ggml_build_forward_expand(graph_,
                              ggml_set_rows(ctx, ggml_reshape_2d(ctx, state.values, 1, all),
                                            ggml_reshape_2d(ctx, value, 1, ggml_nelements(value)), in_.value_slots));

    const size_t size = ggml_type_size(type_), head = ggml_row_size(type_, h.head_size);
    const size_t column = state.values->nb[1], from = static_cast<size_t>(shape_.from);
    ggml_tensor* keys = ggml_view_3d(ctx, state.keys, h.head_size, window, h.key_heads, state.keys->nb[1], head,
                                     state.keys->nb[1] * from);
    ggml_tensor* values = ggml_view_3d(ctx, state.values, window, h.head_size, h.key_heads, column,
                                       column * static_cast<size_t>(h.head_size), size * from);
    ggml_tensor* logits = ggml_mul_mat(ctx, keys, ggml_permute(ctx, rotated, 0, 2, 1, 3));

    const int far = far_layer(layer) ? shape_.far() : 0;
    ggml_tensor *gathered = nullptr, *mask = far_layer(layer) ? in_.mask : in_.sliding_mask;
    if (far > 0)
        logits = ggml_concat(ctx, far_logits(ctx, graph, layer, query, rotated, &gathered, &mask), logits, 0);
    ggml_tensor* shares =
        ggml_soft_max_ext(ctx, logits, mask, h.scale_queries ? 1.0f : h.attention_scale, 0.0f); // [slot, token, head]
    ggml_tensor* near = ggml_view_3d(ctx, shares, window, count, h.heads, shares->nb[1], shares->nb[2],
                                     sizeof(float) * static_cast<size_t>(far));
    ggml_tensor* mixed = ggml_mul_mat(ctx, values, near);
    if (far > 0) {
        const size_t far_column = ggml_row_size(type_, far);
        ggml_tensor* far_values =
            ggml_view_3d(ctx, gathered, far, h.head_size, groups(), far_column,
                         far_column * static_cast<size_t>(h.head_size), ggml_nbytes(gathered) / 2);
        ggml_tensor* far_shares = ggml_view_3d(ctx, shares, far, count, h.heads, shares->nb[1], shares->nb[2], 0);
        mixed = ggml_add(ctx, mixed, ggml_mul_mat(ctx, far_values, far_shares));
    }
    state.share = nullptr;
    if (far_layer(layer) && p_.topk > 0) { // summed over the block's tokens
        state.share = ggml_out_prod(ctx, near, in_.ones);
        mark_output(graph_, state.share);
    }
    mixed = ggml_cont_2d(ctx, ggml_permute(ctx, mixed, 0, 2, 1, 3), static_cast<int64_t>(h.head_size) * h.heads, count);
    return graph.output(w, mixed);
}

void InfLlm::build(const Shape& shape) {
    const Hyper& h = model_.hyper;
    shape_ = shape;
    graph_tensors_.reset(); // before its memory is used again
    graph_tensors_.reset(ggml_init({graph_memory_.size(), graph_memory_.data(), true}));
    ggml_context* ctx = graph_tensors_.get();
    auto input = [&](ggml_type type, int64_t a, int64_t b = 1, int64_t c = 1) {
        ggml_tensor* tensor = ggml_new_tensor_3d(ctx, type, a, b, c);
        ggml_set_input(tensor);
        return tensor;
    };
    in_ = Inputs{};
    in_.tokens = input(GGML_TYPE_I32, shape.count);
    in_.positions = input(GGML_TYPE_I32, shape.count);
    in_.distance = input(GGML_TYPE_I32, shape.count);
    in_.slots = input(GGML_TYPE_I64, shape.count);
    in_.value_slots = input(GGML_TYPE_I64, static_cast<int64_t>(shape.count) * width());
    in_.mask = input(GGML_TYPE_F16, shape.far() + shape.window, shape.count);
    in_.ones = input(GGML_TYPE_F32, 1, shape.count, h.heads);
    if (h.sliding_window > 0)
        in_.sliding_mask = input(GGML_TYPE_F16, shape.window, shape.count);
    if (shape.far() > 0)
        in_.far_positions = input(GGML_TYPE_I32, shape.far());
    if (shape.rows > 0)
        in_.rows = input(GGML_TYPE_I32, static_cast<int64_t>(shape.rows));

    graph_ = ggml_new_graph_custom(ctx, max_nodes, false);
    const LayerGraph graph(ctx, model_);
    ggml_tensor* x = graph.embed(in_.tokens);
    for (int l = 0; l < h.layers; ++l) {
        const Layer& w = model_.layers[static_cast<size_t>(l)];
        ggml_tensor* attended = attend(ctx, graph, l, graph.norm(x, w.attn_norm));
        if (l == h.layers - 1 && in_.rows) {
            attended = ggml_get_rows(ctx, attended, in_.rows);
            x = ggml_get_rows(ctx, x, in_.rows);
        }
        x = graph.finish(w, attended, x);
    }
    logits_ = nullptr;
    if (in_.rows)
        mark_output(graph_, logits_ = graph.logits(x));
    else
        ggml_build_forward_expand(graph_, x);
    planner_.lay_out(graph_);
}

void InfLlm::set_inputs(const int32_t* tokens, const std::vector<int32_t>& rows) {
    const Hyper& h = model_.hyper;
    const size_t count = static_cast<size_t>(shape_.count), far = static_cast<size_t>(shape_.far());
    const size_t width = static_cast<size_t>(this->width());
    auto set = [](ggml_tensor* tensor, const void* data) {
        if (tensor && tensor->buffer) // none: nothing in the graph needs it
            ggml_backend_tensor_set(tensor, data, 0, ggml_nbytes(tensor));
    };
    std::vector<int32_t> numbers(count);
    std::vector<int64_t> slots(count), value_slots(count * width);
    for (size_t i = 0; i < count; ++i) {
        slots[i] = used_ + static_cast<int64_t>(i);
        numbers[i] = static_cast<int32_t>(slots[i]);
        for (size_t d = 0; d < width; ++d)
            value_slots[i * width + d] = static_cast<int64_t>(d) * capacity_ + slots[i];
    }
    set(in_.tokens, tokens);
    set(in_.positions, numbers.data());
    set(in_.slots, slots.data());
    set(in_.value_slots, value_slots.data());
    std::fill(numbers.begin(), numbers.end(), p_.far());
    set(in_.distance, numbers.data());
    set(in_.rows, rows.data());
    const std::vector<float> ones(count * static_cast<size_t>(h.heads), 1.0f);
    set(in_.ones, ones.data());
    std::vector<int32_t> far_positions(far);
    for (size_t i = 0; i < far; ++i)
        far_positions[i] = start_ - static_cast<int32_t>(far - i);
    set(in_.far_positions, far_positions.data());

    const ggml_fp16_t hidden = ggml_fp32_to_fp16(-INFINITY), seen = ggml_fp32_to_fp16(0.0f);
    // `wide`: how many tokens a token sees of the window, itself among them; 0: all.
    auto see_window = [&](std::vector<ggml_fp16_t>& mask, size_t before, int wide) {
        const size_t row = before + static_cast<size_t>(shape_.window);
        for (int i = 0; i < shape_.count; ++i) {
            const int at = used_ + i, first = wide == 0 ? start_ : std::max(start_, at - wide + 1);
            ggml_fp16_t* to = mask.data() + static_cast<size_t>(i) * row + before;
            std::fill(to + (first - shape_.from), to + (at + 1 - shape_.from), seen);
        }
    };
    std::vector<ggml_fp16_t> mask((far + static_cast<size_t>(shape_.window)) * count, hidden);
    // In order, what is in no unit yet is seen where it stands.
    see_window(mask, far, p_.places == Places::ordered && p_.topk > 0 ? 0 : p_.n_local);
    for (int i = 0; i < shape_.count && far > 0; ++i) {
        ggml_fp16_t* row = mask.data() + static_cast<size_t>(i) * (far + static_cast<size_t>(shape_.window));
        // Where layers fill their slots differently, fill_mask() shows them.
        if (!shape_.uneven)
            std::fill(row, row + shape_.sinks + shape_.units, seen);
        ggml_fp16_t* rest = row + shape_.sinks + shape_.units;
        const int left = std::clamp(used_ + i - p_.n_local + 1 - start_, 0, shape_.rest);
        std::fill(rest, rest + left, seen);
    }
    set(in_.mask, mask.data());
    if (in_.sliding_mask) {
        std::vector<ggml_fp16_t> sliding(static_cast<size_t>(shape_.window) * count, hidden);
        see_window(sliding, 0, std::min(p_.n_local, h.sliding_window));
        set(in_.sliding_mask, sliding.data());
    }
}

} // namespace longread
