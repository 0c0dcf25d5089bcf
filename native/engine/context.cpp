#include "engine/context.h"
#include <algorithm>
#include <cmath>
#include <cstring>

namespace longread {
namespace {

// Of what a batch is given and gives: the mask of 2,048 tokens that see 8,192 is half of it.
constexpr size_t most_pinned = size_t(64) << 20;

int padded(int slots, int capacity) { return std::min(capacity, whole_blocks(slots)); }

} // namespace

Context::Context(const Model& model, const ContextOptions& options)
    : model_(model), options_(options), planner_(options.backend ? *options.backend : *model.backend) {
    const Hyper& h = model.hyper;
    if (!options_.backend)
        options_.backend = model.backend.get();
    if (options_.layers <= 0 || options_.layers > h.layers)
        options_.layers = h.layers;
    if (options_.batch <= 0)
        options_.batch = options_.backend->batch();
    options_.capacity = whole_blocks(options_.capacity);
    cache_ = std::make_unique<Arena>(*options_.backend, static_cast<size_t>(options_.layers) * 3 + 8);
    const int64_t row = static_cast<int64_t>(h.head_size) * h.key_heads;
    for (int l = 0; l < options_.layers; ++l) {
        ggml_context* tensors = cache_->on(model.on_gpu(l));
        keys_.push_back(ggml_new_tensor_2d(tensors, GGML_TYPE_F16, row, options_.capacity));
        values_.push_back(ggml_new_tensor_2d(tensors, GGML_TYPE_F16, row, options_.capacity));
        if (options_.window > 0 && options_.sinks > 0)
            sink_keys_.push_back(ggml_new_tensor_3d(tensors, GGML_TYPE_F32, h.head_size, h.key_heads, options_.sinks));
    }
    if (!cache_->allocate(GGML_BACKEND_BUFFER_USAGE_ANY))
        throw Error("internal", "There is not enough memory for the window of the model.");
    // Masked slots are multiplied by zero, which a NaN from fresh memory would survive.
    cache_->clear();
    graph_memory_.resize(ggml_tensor_overhead() * max_nodes + ggml_graph_overhead_custom(max_nodes, false));
    slot_position_.resize(static_cast<size_t>(options_.capacity));
}

Context::~Context() { ggml_backend_buffer_free(gpu_inputs_); }

void Context::reset() {
    used_ = 0;
    position_ = 0;
    sink_shift_ = 0;
}

void Context::truncate(int tokens) {
    if (tokens < used_ && sink_shift_ == 0)
        used_ = position_ = tokens;
}

std::vector<char> Context::save(int tokens) const {
    if (options_.window > 0 || tokens > used_)
        throw Error("internal", "Only what is still whole in a context can be saved.");
    const size_t part = ggml_row_size(GGML_TYPE_F16, keys_[0]->ne[0]) * static_cast<size_t>(tokens);
    std::vector<char> rows(part * 2 * keys_.size());
    char* to = rows.data();
    for (size_t l = 0; l < keys_.size(); ++l)
        for (const ggml_tensor* cache : {keys_[l], values_[l]}) {
            ggml_backend_tensor_get(cache, to, 0, part);
            to += part;
        }
    return rows;
}

void Context::restore(int tokens, const std::vector<char>& rows) {
    const size_t part = ggml_row_size(GGML_TYPE_F16, keys_[0]->ne[0]) * static_cast<size_t>(tokens);
    if (options_.window > 0 || tokens > options_.capacity || rows.size() != part * 2 * keys_.size())
        throw Error("internal", "What was saved does not fit the context.");
    reset();
    const char* from = rows.data();
    for (size_t l = 0; l < keys_.size(); ++l)
        for (ggml_tensor* cache : {keys_[l], values_[l]}) {
            ggml_backend_tensor_set(cache, from, 0, part);
            from += part;
        }
    for (int t = 0; t < tokens; ++t)
        slot_position_[static_cast<size_t>(t)] = t;
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
    const int kept = kept_by_slide(used_, options_.window, options_.sinks);
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

// On the processor inputs are written where they are; else to `staged`, as they are to lie on the GPU.
void Context::set_inputs(const int32_t* tokens, const Wanted& wanted, char* staged) {
    const Hyper& h = model_.hyper;
    const Inputs& in = in_;
    const size_t count = static_cast<size_t>(in.count), slots = static_cast<size_t>(in.used_slots);
    // Null where nothing in the graph needs it.
    auto place = [&](ggml_tensor* tensor) -> void* {
        if (!tensor || !tensor->buffer)
            return nullptr;
        return staged ? staged + (static_cast<char*>(tensor->data) - static_cast<char*>(in.all->data)) : tensor->data;
    };
    auto set = [&](ggml_tensor* tensor, const void* data) {
        if (void* to = place(tensor))
            std::memcpy(to, data, ggml_nbytes(tensor));
    };
    std::vector<int32_t> numbers(count);
    std::vector<int64_t> places(count);
    for (size_t i = 0; i < count; ++i) {
        numbers[i] = slot_position_[static_cast<size_t>(used_) + i] = position_ + static_cast<int>(i);
        places[i] = used_ + static_cast<int64_t>(i);
    }
    set(in.tokens, tokens);
    set(in.positions, numbers.data());
    set(in.slots, places.data());
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
        ggml_fp16_t* values = static_cast<ggml_fp16_t*>(place(mask));
        if (!values)
            return;
        const ggml_fp16_t hidden = ggml_fp32_to_fp16(-INFINITY), seen = ggml_fp32_to_fp16(0.0f);
        std::fill(values + slots * count, values + ggml_nelements(mask), hidden);
        // Positions ascend from slot to slot, so what a token sees is the sinks and one stretch.
        const auto first = slot_position_.begin(), end = first + used_ + in.count;
        for (size_t i = 0; i < count; ++i) {
            const int at = position_ + static_cast<int>(i);
            ggml_fp16_t* row = values + i * slots;
            const auto last = std::upper_bound(first, end, at) - first;
            const auto from = window <= 0 ? 0 : std::upper_bound(first, end, at - window) - first;
            std::fill(row, row + from, hidden);
            std::fill(row + from, row + last, seen);
            std::fill(row + last, row + slots, hidden);
            std::fill(row, row + std::min<std::ptrdiff_t>(sinks, last), seen);
        }
    };
    set_mask(in.mask, options_.window, options_.sinks);
    // Sinks stand for what a window cut off that the model would see; a layer that slides by itself never saw it.
    const bool narrowed = options_.window > 0 && options_.window < h.sliding_window;
    set_mask(in.sliding_mask, narrowed ? options_.window : h.sliding_window, narrowed ? options_.sinks : 0);
}

void Context::read(const int32_t* tokens, int count, const Wanted& wanted, const Cancel& cancel, Captured& captured) {
    const Hyper& h = model_.hyper;
    if (count < 1 || count > options_.batch)
        throw Error("internal", "A batch of " + std::to_string(count) + " tokens is not possible.");
    for (int i = 0; i < count; ++i)
        if (tokens[i] < 0 || tokens[i] >= h.vocabulary)
            throw Error("internal", "Token " + std::to_string(tokens[i]) + " is not in the model's vocabulary.");
    make_room(count);
    const int slots = padded(used_ + count, options_.capacity);
    if (!same_graph(count, slots, wanted))
        build(count, slots, wanted);
    compute(tokens, wanted, cancel, captured);
    used_ += count;
    position_ += count;
}

// Computes the graph that was built, and gives what comes of it.
void Context::compute(const int32_t* tokens, const Wanted& wanted, const Cancel& cancel, Captured& captured) {
    struct Output {
        ggml_tensor* tensor;
        char* to;
    };
    std::vector<Output> outputs;
    auto output = [&](ggml_tensor* tensor, auto& to) {
        to.resize(static_cast<size_t>(ggml_nelements(tensor)));
        outputs.push_back({tensor, reinterpret_cast<char*>(to.data())});
    };
    auto each = [&](const std::vector<ggml_tensor*>& tensors, std::vector<std::vector<float>>& to) {
        to.resize(tensors.size());
        for (size_t i = 0; i < tensors.size(); ++i)
            output(tensors[i], to[i]);
    };
    each(out_.keys, captured.keys);
    each(out_.queries, captured.queries);
    each(out_.attention, captured.attention);
    if (out_.logits)
        output(out_.logits, captured.logits);
    if (out_.best)
        output(out_.best, captured.best);

    const size_t given = in_.all ? ggml_nbytes(in_.all) : 0;
    size_t bytes = given;
    for (const Output& out : outputs)
        bytes += ggml_nbytes(out.tensor);
    // Each copy that is waited for takes as long as several layers of a small model need for one token, and from memory
    // that is not pinned a long prompt's mask takes a fifth of the time. All goes through memory that the GPU copies by
    // itself, with one wait at the end.
    ggml_backend_t queue = bytes <= most_pinned ? planner_.queue() : nullptr;
    if (char* pinned = queue ? options_.backend->pinned(std::min(most_pinned, bytes + bytes_to_come())) : nullptr) {
        set_inputs(tokens, wanted, pinned);
        ggml_backend_tensor_set_async(queue, in_.all, pinned, 0, given);
        planner_.begin(graph_, cancel);
        char* at = pinned + given;
        for (const Output& out : outputs) {
            ggml_backend_tensor_get_async(queue, out.tensor, at, 0, ggml_nbytes(out.tensor));
            at += ggml_nbytes(out.tensor);
        }
        planner_.end(cancel);
        at = pinned + given;
        for (const Output& out : outputs) {
            std::memcpy(out.to, at, ggml_nbytes(out.tensor));
            at += ggml_nbytes(out.tensor);
        }
        return;
    }
    if (given > staged_.size())
        staged_.resize(given);
    set_inputs(tokens, wanted, given > 0 ? staged_.data() : nullptr);
    if (given > 0)
        ggml_backend_tensor_set(in_.all, staged_.data(), 0, given);
    planner_.compute(graph_, cancel);
    for (const Output& out : outputs)
        ggml_backend_tensor_get(out.tensor, out.to, 0, ggml_nbytes(out.tensor));
}

} // namespace longread
