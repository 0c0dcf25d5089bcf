#include "engine/context.h"
#include <cmath>
#include <cstring>

namespace longread {
namespace {

constexpr size_t max_nodes = 16384;
// llama.cpp gives its graphs a cache length in whole blocks of 256 slots, the rest masked; ours too, so that flash
// attention tiles the same way and the logits stay equal bit by bit.
constexpr int slot_block = 256;

int padded(int slots, int capacity) { return std::min(capacity, (slots + slot_block - 1) / slot_block * slot_block); }

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

// An output keeps its memory until the graph is done; a view keeps nothing alive, so what it looks at is marked too.
void mark_output(ggml_cgraph* graph, ggml_tensor* tensor) {
    ggml_set_output(tensor);
    if (tensor->view_src)
        ggml_set_output(tensor->view_src);
    ggml_build_forward_expand(graph, tensor);
}

void fetch(ggml_tensor* from, std::vector<float>& to) {
    to.resize(static_cast<size_t>(ggml_nelements(from)));
    ggml_backend_tensor_get(from, to.data(), 0, ggml_nbytes(from));
}

} // namespace

struct Context::Inputs {
    ggml_tensor *tokens, *positions, *distance, *mask, *sliding_mask, *rows, *sink_shift;
    int count, slots, first_slot;
};

struct Outputs {
    std::vector<ggml_tensor*> keys, queries, attention;
};

Context::Context(Model& model, const ContextOptions& options) : model_(model), options_(options) {
    const Hyper& h = model.hyper;
    if (options_.layers <= 0 || options_.layers > h.layers)
        options_.layers = h.layers;
    options_.capacity = (options_.capacity + slot_block - 1) / slot_block * slot_block;
    cache_tensors_ = ggml_init({ggml_tensor_overhead() * (options_.layers * 3 + 8), nullptr, true});
    const int64_t row = static_cast<int64_t>(h.head_size) * h.key_heads;
    for (int l = 0; l < options_.layers; ++l) {
        keys_.push_back(ggml_new_tensor_2d(cache_tensors_, GGML_TYPE_F16, row, options_.capacity));
        values_.push_back(ggml_new_tensor_2d(cache_tensors_, GGML_TYPE_F16, row, options_.capacity));
        if (options_.window > 0 && options_.sinks > 0)
            sink_keys_.push_back(
                ggml_new_tensor_3d(cache_tensors_, GGML_TYPE_F32, h.head_size, h.key_heads, options_.sinks));
    }
    cache_ = ggml_backend_alloc_ctx_tensors(cache_tensors_, model.backend->handle());
    if (!cache_) {
        ggml_free(cache_tensors_);
        throw Error("internal", "There is not enough memory for the window of the model.");
    }
    // Masked slots are multiplied by zero, which a NaN from fresh memory would survive.
    ggml_backend_buffer_clear(cache_, 0);
    allocator_ = ggml_gallocr_new(model.backend->buffer_type());
    graph_memory_.resize(ggml_tensor_overhead() * max_nodes + ggml_graph_overhead_custom(max_nodes, false));
    slot_position_.resize(static_cast<size_t>(options_.capacity));
}

Context::~Context() {
    ggml_gallocr_free(allocator_);
    ggml_backend_buffer_free(cache_);
    ggml_free(cache_tensors_);
}

void Context::reset() {
    used_ = 0;
    position_ = 0;
    sink_shift_ = 0;
}

void Context::truncate(int tokens) {
    if (tokens < used_ && sink_shift_ == 0)
        used_ = position_ = tokens;
}

// Keeps the sinks' keys in full precision, as they were rotated first: rotating on from what was rotated before would
// add up rounding over thousands of slides.
void Context::keep_sinks() {
    std::vector<ggml_fp16_t> half(static_cast<size_t>(keys_[0]->ne[0]) * options_.sinks);
    std::vector<float> full(half.size());
    for (size_t l = 0; l < keys_.size(); ++l) {
        ggml_backend_tensor_get(keys_[l], half.data(), 0, half.size() * sizeof(ggml_fp16_t));
        ggml_fp16_to_fp32_row(half.data(), full.data(), static_cast<int64_t>(half.size()));
        ggml_backend_tensor_set(sink_keys_[l], full.data(), 0, full.size() * sizeof(float));
    }
}

// Drops what no token of the next batch can see, by moving the window to the front of the cache.
void Context::make_room(int count) {
    if (used_ + count <= options_.capacity)
        return;
    if (options_.window <= 0)
        throw Error("too-long", "The text is longer than the window of the model.");
    const int kept = std::min(used_ - options_.sinks, options_.window - 1);
    const int from = used_ - kept;
    if (options_.sinks + kept + count > options_.capacity)
        throw Error("internal", "The cache is smaller than its window and a batch.");
    if (sink_shift_ == 0 && !sink_keys_.empty())
        keep_sinks();
    const size_t row = ggml_row_size(GGML_TYPE_F16, keys_[0]->ne[0]);
    std::vector<char> moved(row * static_cast<size_t>(kept));
    for (size_t l = 0; l < keys_.size(); ++l) {
        for (ggml_tensor* cache : {keys_[l], values_[l]}) {
            ggml_backend_tensor_get(cache, moved.data(), row * from, moved.size());
            ggml_backend_tensor_set(cache, moved.data(), row * options_.sinks, moved.size());
        }
    }
    std::copy(slot_position_.begin() + from, slot_position_.begin() + used_, slot_position_.begin() + options_.sinks);
    used_ = options_.sinks + kept;
    sink_shift_ = slot_position_[static_cast<size_t>(options_.sinks)] - options_.sinks;
}

// Attention of one layer over the cache, after writing the batch's keys and values into it.
ggml_tensor* Context::attend(ggml_context* ctx, ggml_cgraph* graph, int layer, ggml_tensor* normed, const Inputs& in,
                             const Wanted& wanted, Outputs& out) {
    const Hyper& h = model_.hyper;
    const Layer& w = model_.layers[static_cast<size_t>(layer)];
    const bool last = wanted.stop_early && layer == deepest(wanted);
    const bool queries_wanted = contains(wanted.queries, layer);
    const Rope& rope = h.rope_of(layer);

    auto project = [&](ggml_tensor* weight, ggml_tensor* bias, ggml_tensor* norm, int heads) {
        ggml_tensor* x = ggml_mul_mat(ctx, weight, normed);
        if (bias)
            x = ggml_add(ctx, x, bias);
        x = ggml_reshape_3d(ctx, x, h.head_size, heads, in.count);
        if (norm)
            x = ggml_mul(ctx, ggml_rms_norm(ctx, x, h.norm_epsilon), norm);
        return x;
    };
    // 32 and 1: the turns within the trained context between which YaRN goes over from one way to the other.
    auto turn = [&](ggml_tensor* x, ggml_tensor* positions, float length) {
        return ggml_rope_ext(ctx, x, positions, model_.rope_factors, h.head_size,
                             h.rope_neox ? GGML_ROPE_TYPE_NEOX : GGML_ROPE_TYPE_NORMAL, h.rope_original_context,
                             rope.base, rope.scale, rope.yarn, length, 32.0f, 1.0f);
    };
    auto rotate = [&](ggml_tensor* x, ggml_tensor* positions) { return turn(x, positions, rope.length); };

    ggml_tensor* query = nullptr;
    if (!last || queries_wanted)
        query = project(w.wq, w.bq, w.q_norm, h.heads);
    if (queries_wanted) {
        ggml_tensor* captured = rotate(query, in.distance);
        mark_output(graph, captured);
        out.queries[static_cast<size_t>(std::find(wanted.queries.begin(), wanted.queries.end(), layer) -
                                        wanted.queries.begin())] = captured;
    }
    ggml_tensor* key = nullptr;
    if (!last || contains(wanted.keys, layer))
        key = project(w.wk, w.bk, w.k_norm, h.key_heads);
    if (contains(wanted.keys, layer)) {
        mark_output(graph, key);
        out.keys[static_cast<size_t>(std::find(wanted.keys.begin(), wanted.keys.end(), layer) - wanted.keys.begin())] =
            key;
    }
    if (last)
        return nullptr;

    ggml_tensor* value = project(w.wv, w.bv, nullptr, h.key_heads);
    query = rotate(query, in.positions);
    if (h.scale_queries)
        query = ggml_scale(ctx, query, h.attention_scale);
    key = rotate(key, in.positions);

    ggml_tensor* key_cache = keys_[static_cast<size_t>(layer)];
    ggml_tensor* value_cache = values_[static_cast<size_t>(layer)];
    const int64_t width = key_cache->ne[0];
    auto store = [&](ggml_tensor* x, ggml_tensor* cache, int slot, int count) {
        ggml_tensor* place = ggml_view_2d(ctx, cache, width, count, cache->nb[1], cache->nb[1] * slot);
        ggml_build_forward_expand(graph, ggml_cpy(ctx, ggml_reshape_2d(ctx, x, width, count), place));
    };
    if (in.sink_shift)
        // They were made longer when they were first rotated.
        store(turn(sink_keys_[static_cast<size_t>(layer)], in.sink_shift, rope.length / rope.stretch()), key_cache, 0,
              options_.sinks);
    store(key, key_cache, in.first_slot, in.count);
    store(value, value_cache, in.first_slot, in.count);

    auto cached = [&](ggml_tensor* cache) { // [head size, slots, key heads]
        return ggml_view_3d(ctx, cache, h.head_size, in.slots, h.key_heads, cache->nb[1],
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
        mark_output(graph, share);
        out.attention[static_cast<size_t>(std::find(wanted.watch.begin(), wanted.watch.end(), layer) -
                                          wanted.watch.begin())] = share;
    }
    ggml_tensor* mixed =
        ggml_flash_attn_ext(ctx, q, cached(key_cache), cached(value_cache), mask, product_scale, 0.0f, 0.0f);
    ggml_prec_set_acc(mixed, GGML_PREC_F32);
    mixed = ggml_reshape_2d(ctx, mixed, static_cast<int64_t>(h.head_size) * h.heads, in.count);
    ggml_tensor* attended = ggml_mul_mat(ctx, w.wo, mixed);
    return w.bo ? ggml_add(ctx, attended, w.bo) : attended;
}

void Context::read(const int32_t* tokens, int count, const Wanted& wanted, const Cancel& cancel, Captured& captured) {
    const Hyper& h = model_.hyper;
    if (count < 1 || count > options_.batch)
        throw Error("internal", "A batch of " + std::to_string(count) + " tokens is not possible.");
    for (int i = 0; i < count; ++i)
        if (tokens[i] < 0 || tokens[i] >= h.vocabulary)
            throw Error("internal", "Token " + std::to_string(tokens[i]) + " is not in the model's vocabulary.");
    make_room(count);

    ggml_context* ctx = ggml_init({graph_memory_.size(), graph_memory_.data(), true});
    std::unique_ptr<ggml_context, decltype(&ggml_free)> owner(ctx, ggml_free);
    ggml_cgraph* graph = ggml_new_graph_custom(ctx, max_nodes, false);
    Inputs in{};
    in.count = count;
    in.first_slot = used_;
    in.slots = padded(used_ + count, options_.capacity);
    auto input = [&](ggml_type type, int64_t a, int64_t b) {
        ggml_tensor* tensor = ggml_new_tensor_2d(ctx, type, a, b);
        ggml_set_input(tensor);
        return tensor;
    };
    in.tokens = ggml_reshape_1d(ctx, input(GGML_TYPE_I32, count, 1), count);
    in.positions = ggml_reshape_1d(ctx, input(GGML_TYPE_I32, count, 1), count);
    in.mask = input(GGML_TYPE_F16, in.slots, count);
    if (h.sliding_window > 0)
        in.sliding_mask = input(GGML_TYPE_F16, in.slots, count);
    if (!wanted.queries.empty())
        in.distance = ggml_reshape_1d(ctx, input(GGML_TYPE_I32, count, 1), count);
    if (!wanted.rows.empty())
        in.rows = ggml_reshape_1d(ctx, input(GGML_TYPE_I32, static_cast<int64_t>(wanted.rows.size()), 1),
                                  static_cast<int64_t>(wanted.rows.size()));
    if (sink_shift_ > 0 && !sink_keys_.empty())
        in.sink_shift = ggml_reshape_1d(ctx, input(GGML_TYPE_I32, options_.sinks, 1), options_.sinks);

    Outputs out;
    out.keys.resize(wanted.keys.size());
    out.queries.resize(wanted.queries.size());
    out.attention.resize(wanted.watch.size());
    auto norm = [&](ggml_tensor* x, ggml_tensor* weight) {
        return ggml_mul(ctx, ggml_rms_norm(ctx, x, h.norm_epsilon), weight);
    };
    auto project = [&](ggml_tensor* weight, ggml_tensor* bias, ggml_tensor* x) {
        x = ggml_mul_mat(ctx, weight, x);
        return bias ? ggml_add(ctx, x, bias) : x;
    };

    const int last_layer = wanted.stop_early ? deepest(wanted) : options_.layers - 1;
    ggml_tensor* x = ggml_get_rows(ctx, model_.token_embedding, in.tokens);
    if (h.embedding_scale != 1.0f)
        x = ggml_scale(ctx, x, h.embedding_scale);
    for (int l = 0; l <= last_layer; ++l) {
        const Layer& w = model_.layers[static_cast<size_t>(l)];
        ggml_tensor* attended = attend(ctx, graph, l, norm(x, w.attn_norm), in, wanted, out);
        if (!attended)
            break;
        if (l == h.layers - 1 && in.rows) {
            attended = ggml_get_rows(ctx, attended, in.rows);
            x = ggml_get_rows(ctx, x, in.rows);
        }
        if (w.attn_post_norm)
            attended = norm(attended, w.attn_post_norm);
        ggml_tensor* middle = ggml_add(ctx, attended, x);
        ggml_tensor* normed = norm(middle, w.ffn_norm);
        ggml_tensor* up = project(w.up, w.up_bias, normed);
        ggml_tensor* gate = project(w.gate, w.gate_bias, normed);
        ggml_tensor* fed = h.gelu ? ggml_geglu_split(ctx, gate, up) : ggml_swiglu_split(ctx, gate, up);
        fed = project(w.down, w.down_bias, fed);
        if (w.ffn_post_norm)
            fed = norm(fed, w.ffn_post_norm);
        x = ggml_add(ctx, fed, middle);
    }
    ggml_tensor* logits = nullptr;
    if (in.rows) {
        logits = project(model_.output, model_.output_bias, norm(x, model_.output_norm));
        if (h.final_softcap > 0) {
            logits = ggml_tanh(ctx, ggml_scale(ctx, logits, 1.0f / h.final_softcap)); // in (-cap, cap)
            logits = ggml_scale(ctx, logits, h.final_softcap);
        }
        mark_output(graph, logits);
    } else if (!wanted.stop_early) {
        ggml_build_forward_expand(graph, x);
    }
    if (!ggml_gallocr_alloc_graph(allocator_, graph))
        throw Error("internal", "There is not enough memory for a batch of the model.");

    std::vector<int32_t> numbers(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
        numbers[static_cast<size_t>(i)] = position_ + i;
        slot_position_[static_cast<size_t>(used_ + i)] = position_ + i;
    }
    auto set = [](ggml_tensor* tensor, const void* data) {
        if (tensor && tensor->buffer)
            ggml_backend_tensor_set(tensor, data, 0, ggml_nbytes(tensor));
    };
    set(in.tokens, tokens);
    set(in.positions, numbers.data());
    if (in.distance) {
        std::fill(numbers.begin(), numbers.end(), wanted.query_distance);
        set(in.distance, numbers.data());
    }
    set(in.rows, wanted.rows.data());
    if (in.sink_shift) {
        std::vector<int32_t> shift(static_cast<size_t>(options_.sinks), sink_shift_);
        set(in.sink_shift, shift.data());
    }
    auto set_mask = [&](ggml_tensor* mask, int window, int sinks) {
        if (!mask || !mask->buffer)
            return;
        const ggml_fp16_t hidden = ggml_fp32_to_fp16(-INFINITY), seen = ggml_fp32_to_fp16(0.0f);
        std::vector<ggml_fp16_t> values(static_cast<size_t>(in.slots) * count, hidden);
        const int used = used_ + count;
        for (int i = 0; i < count; ++i) {
            const int at = position_ + i;
            for (int s = 0; s < used; ++s) {
                const int distance = at - slot_position_[static_cast<size_t>(s)];
                if (distance >= 0 && (window <= 0 || distance < window || s < sinks))
                    values[static_cast<size_t>(i) * in.slots + s] = seen;
            }
        }
        set(mask, values.data());
    };
    set_mask(in.mask, options_.window, options_.sinks);
    // Sinks stand for what a window cut off that the model would see; a layer that slides by itself never saw it.
    const bool narrowed = options_.window > 0 && options_.window < h.sliding_window;
    set_mask(in.sliding_mask, narrowed ? options_.window : h.sliding_window, narrowed ? options_.sinks : 0);

    model_.backend->compute(graph, cancel);
    used_ += count;
    position_ += count;

    captured.keys.resize(out.keys.size());
    captured.queries.resize(out.queries.size());
    captured.attention.resize(out.attention.size());
    for (size_t i = 0; i < out.keys.size(); ++i)
        fetch(out.keys[i], captured.keys[i]);
    for (size_t i = 0; i < out.queries.size(); ++i)
        fetch(out.queries[i], captured.queries[i]);
    for (size_t i = 0; i < out.attention.size(); ++i)
        fetch(out.attention[i], captured.attention[i]);
    if (logits)
        fetch(logits, captured.logits);
}

} // namespace longread
