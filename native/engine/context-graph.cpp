// The graph of one batch of a context: the layers of a model over its cache, and what is captured on the way.
#include "engine/context.h"
#include "engine/layer-graph.h"
#include <algorithm>

namespace longread {
namespace {

bool contains(const std::vector<int>& layers, int layer) {
    return std::find(layers.begin(), layers.end(), layer) != layers.end();
}

int deepest(const Wanted& wanted) {
    int layer = -1;
    for (int l : wanted.keys)
        layer = std::max(layer, l);
    for (int l : wanted.queries)
        layer = std::max(layer, l);
    return layer;
}

} // namespace

// Attention of one layer over the cache, after writing the batch's keys and values into it. Null where the graph stops.
ggml_tensor* Context::attend(ggml_context* ctx, int layer, ggml_tensor* normed, const Wanted& wanted) {
    const Hyper& h = model_.hyper;
    const Layer& w = model_.layers[static_cast<size_t>(layer)];
    const Inputs& in = in_;
    const bool last = wanted.stop_early && layer == deepest(wanted);
    const bool queries_wanted = contains(wanted.queries, layer);
    const Rope& rope = h.rope_of(layer);

    const LayerGraph graph(ctx, model_);
    auto rotate = [&](ggml_tensor* x, ggml_tensor* positions) { return graph.rotate(x, positions, rope, rope.length); };

    ggml_tensor* query = nullptr;
    if (!last || queries_wanted)
        query = graph.split_heads(w.wq, w.bq, w.q_norm, normed, h.heads);
    if (queries_wanted) {
        ggml_tensor* captured = rotate(query, in.distance);
        mark_output(graph_, captured);
        out_.queries[static_cast<size_t>(std::find(wanted.queries.begin(), wanted.queries.end(), layer) -
                                         wanted.queries.begin())] = captured;
    }
    ggml_tensor* key = nullptr;
    if (!last || contains(wanted.keys, layer))
        key = graph.split_heads(w.wk, w.bk, w.k_norm, normed, h.key_heads);
    if (contains(wanted.keys, layer)) {
        mark_output(graph_, key);
        out_.keys[static_cast<size_t>(std::find(wanted.keys.begin(), wanted.keys.end(), layer) - wanted.keys.begin())] =
            key;
    }
    if (last)
        return nullptr;

    ggml_tensor* value = graph.split_heads(w.wv, w.bv, nullptr, normed, h.key_heads);
    query = rotate(query, in.positions);
    if (h.scale_queries)
        query = ggml_scale(ctx, query, h.attention_scale);
    key = rotate(key, in.positions);

    ggml_tensor* key_cache = keys_[static_cast<size_t>(layer)];
    ggml_tensor* value_cache = values_[static_cast<size_t>(layer)];
    const int64_t width = key_cache->ne[0];
    if (in.sink_shift) {
        // They were made longer when they were first rotated.
        ggml_tensor* turned =
            graph.rotate(sink_keys_[static_cast<size_t>(layer)], in.sink_shift, rope, rope.length / rope.stretch());
        ggml_tensor* place = ggml_view_2d(ctx, key_cache, width, options_.sinks, key_cache->nb[1], 0);
        ggml_build_forward_expand(graph_, ggml_cpy(ctx, ggml_reshape_2d(ctx, turned, width, options_.sinks), place));
    }
    // Where they go is an input, so that the graph of the next token is the same one. ggml-cuda rotates keys and puts
    // them there at once where nothing but a view is in between (not a reshape).
    auto store = [&](ggml_tensor* x, ggml_tensor* cache) {
        ggml_tensor* rows = ggml_view_2d(ctx, x, width, in.count, x->nb[2], 0);
        ggml_build_forward_expand(graph_, ggml_set_rows(ctx, cache, rows, in.slots));
    };
    store(key, key_cache);
    store(value, value_cache);

    auto cached = [&](ggml_tensor* cache) { // [head size, slots, key heads]
        return ggml_view_3d(ctx, cache, h.head_size, in.used_slots, h.key_heads, cache->nb[1],
                            ggml_row_size(cache->type, h.head_size), 0);
    };
    ggml_tensor* q = ggml_permute(ctx, query, 0, 2, 1, 3); // [head size, tokens, heads]
    ggml_tensor* mask = h.sliding(layer) ? in.sliding_mask : in.mask;
    const float product_scale = h.scale_queries ? 1.0f : h.attention_scale;
    if (contains(wanted.watch, layer)) {
        ggml_tensor* newest =
            ggml_view_3d(ctx, q, q->ne[0], 1, q->ne[2], q->nb[1], q->nb[2], q->nb[1] * (in.count - 1));
        ggml_tensor* newest_mask = ggml_view_2d(ctx, mask, mask->ne[0], 1, mask->nb[1], mask->nb[1] * (in.count - 1));
        ggml_tensor* share =
            ggml_soft_max_ext(ctx, ggml_mul_mat(ctx, cached(key_cache), newest), newest_mask, product_scale, 0.0f);
        mark_output(graph_, share);
        out_.attention[static_cast<size_t>(std::find(wanted.watch.begin(), wanted.watch.end(), layer) -
                                           wanted.watch.begin())] = share;
    }
    ggml_tensor* mixed =
        ggml_flash_attn_ext(ctx, q, cached(key_cache), cached(value_cache), mask, product_scale, 0.0f, 0.0f);
    ggml_prec_set_acc(mixed, GGML_PREC_F32);
    mixed = ggml_reshape_2d(ctx, mixed, static_cast<int64_t>(h.head_size) * h.heads, in.count);
    return graph.output(w, mixed);
}

bool Context::same_graph(int count, int slots, const Wanted& wanted) const {
    const Wanted& last = graph_wanted_;
    const bool sinks = sink_shift_ > 0 && !sink_keys_.empty();
    return planner_.holds() && in_.count == count && in_.used_slots == slots && (in_.sink_shift != nullptr) == sinks &&
           last.keys == wanted.keys && last.queries == wanted.queries && last.watch == wanted.watch &&
           last.stop_early == wanted.stop_early && last.rows.size() == wanted.rows.size() && last.best == wanted.best;
}

// How much more the masks of as many tokens take at the end of a prompt, when the whole cache is in use: memory that is
// taken at once need not be taken anew with every batch.
size_t Context::bytes_to_come() const {
    size_t bytes = 0;
    for (const ggml_tensor* mask : {in_.mask, in_.sliding_mask})
        if (mask && in_.count > 1)
            bytes += ggml_row_size(mask->type, options_.capacity - in_.used_slots) * static_cast<size_t>(mask->ne[1]);
    return bytes;
}

// Inputs have no memory yet. On the CPU the planner gives it to them; on a GPU they get it there, always at the same
// places and side by side, or the scheduler would copy each from the CPU and wait for it.
void Context::place_inputs(ggml_context* ctx) {
    ggml_backend_t gpu = options_.backend->gpu();
    if (!gpu)
        return;
    const size_t alignment = ggml_backend_get_alignment(gpu);
    size_t bytes = 0;
    for (ggml_tensor* t = ggml_get_first_tensor(ctx); t; t = ggml_get_next_tensor(ctx, t))
        bytes += (ggml_nbytes(t) + alignment - 1) / alignment * alignment;
    if (!gpu_inputs_ || ggml_backend_buffer_get_size(gpu_inputs_) < bytes) {
        ggml_backend_buffer_free(gpu_inputs_);
        gpu_inputs_ = ggml_backend_alloc_buffer(gpu, bytes + bytes_to_come());
        if (!gpu_inputs_)
            throw Error("internal", "There is not enough memory for a batch of the model.");
    }
    ggml_tallocr places = ggml_tallocr_new(gpu_inputs_);
    for (ggml_tensor* t = ggml_get_first_tensor(ctx); t; t = ggml_get_next_tensor(ctx, t))
        ggml_tallocr_alloc(&places, t);
    in_.all = ggml_new_tensor_1d(ctx, GGML_TYPE_I8, static_cast<int64_t>(bytes));
    ggml_backend_tensor_alloc(gpu_inputs_, in_.all, ggml_backend_buffer_get_base(gpu_inputs_));
}

void Context::build(int count, int slots, const Wanted& wanted) {
    const Hyper& h = model_.hyper;
    graph_tensors_.reset(); // before its memory is used again
    graph_tensors_.reset(ggml_init({graph_memory_.size(), graph_memory_.data(), true}));
    ggml_context* ctx = graph_tensors_.get();
    graph_wanted_ = wanted;
    Inputs& in = in_ = Inputs{};
    in.count = count;
    in.used_slots = slots;
    auto input = [&](ggml_type type, int64_t a, int64_t b) {
        ggml_tensor* tensor = b == 1 ? ggml_new_tensor_1d(ctx, type, a) : ggml_new_tensor_2d(ctx, type, a, b);
        ggml_set_input(tensor);
        return tensor;
    };
    in.tokens = input(GGML_TYPE_I32, count, 1);
    in.positions = input(GGML_TYPE_I32, count, 1);
    in.slots = input(GGML_TYPE_I64, count, 1);
    // ggml's CUDA attention reads a mask by whole tiles of tokens, at most 64 of them, and beyond the last token.
    const int mask_rows = count == 1 ? 1 : (count + 63) / 64 * 64;
    in.mask = input(GGML_TYPE_F16, slots, mask_rows);
    if (h.sliding_window > 0)
        in.sliding_mask = input(GGML_TYPE_F16, slots, mask_rows);
    if (!wanted.queries.empty())
        in.distance = input(GGML_TYPE_I32, count, 1);
    if (!wanted.rows.empty())
        in.rows = input(GGML_TYPE_I32, static_cast<int64_t>(wanted.rows.size()), 1);
    if (sink_shift_ > 0 && !sink_keys_.empty())
        in.sink_shift = input(GGML_TYPE_I32, options_.sinks, 1);
    place_inputs(ctx);
    graph_ = ggml_new_graph_custom(ctx, max_nodes, false);

    out_ = Outputs{};
    out_.keys.resize(wanted.keys.size());
    out_.queries.resize(wanted.queries.size());
    out_.attention.resize(wanted.watch.size());
    const LayerGraph graph(ctx, model_);
    const int last_layer = wanted.stop_early ? deepest(wanted) : options_.layers - 1;
    ggml_tensor* x = graph.embed(in.tokens);
    for (int l = 0; l <= last_layer; ++l) {
        const Layer& w = model_.layers[static_cast<size_t>(l)];
        ggml_tensor* attended = attend(ctx, l, graph.norm(x, w.attn_norm), wanted);
        if (!attended)
            break;
        if (l == h.layers - 1 && in.rows) {
            attended = ggml_get_rows(ctx, attended, in.rows);
            x = ggml_get_rows(ctx, x, in.rows);
        }
        x = graph.finish(w, attended, x);
    }
    if (in.rows) {
        ggml_tensor* logits = graph.logits(x);
        (wanted.best ? out_.best : out_.logits) = wanted.best ? ggml_argmax(ctx, logits) : logits;
        mark_output(graph_, wanted.best ? out_.best : out_.logits);
    } else if (!wanted.stop_early) {
        ggml_build_forward_expand(graph_, x);
    }
    planner_.lay_out(graph_);
}

} // namespace longread
