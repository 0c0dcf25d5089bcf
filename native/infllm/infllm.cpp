#include "infllm/infllm.h"
#include <algorithm>
#include <climits>
#include <cstring>

namespace longread {
namespace {

constexpr int slot_block = 256; // the window's view grows in such steps, so that a token's graph is built seldom

int rounded_up(int value, int step) { return (value + step - 1) / step * step; }

std::vector<int> places(const Hyper& h) {
    std::vector<int> place;
    int next = 0;
    for (int l = 0; l < h.layers; ++l)
        place.push_back(h.sliding(l) ? -1 : next++);
    return place;
}

UnitTierShape tier_shape(const Hyper& h, const InfLlmParameters& p) {
    p.check(h);
    const std::vector<int> place = places(h);
    UnitTierShape shape;
    shape.layers = *std::max_element(place.begin(), place.end()) + 1;
    shape.width = h.key_heads * h.head_size;
    shape.max_cached_block = std::max(1, p.max_cached_block);
    shape.format = p.format;
    shape.folder = p.folder;
    return shape;
}

} // namespace

bool InfLlm::Shape::operator==(const Shape& o) const {
    return count == o.count && from == o.from && window == o.window && sinks == o.sinks && units == o.units &&
           rest == o.rest && rows == o.rows && uneven == o.uneven;
}

InfLlm::InfLlm(Model& model, const InfLlmParameters& parameters)
    : UnitMemory(parameters), model_(model),
      type_(parameters.format == UnitFormat::f32 ? GGML_TYPE_F32 : GGML_TYPE_F16), place_(places(model.hyper)),
      tier_(tier_shape(model.hyper, parameters)), planner_(*model.backend) {
    const Hyper& h = model.hyper;
    if (model.backend->gpu())
        throw Error("internal", "A model on a GPU is read by units there.");
    // 1,024 and more tokens are read before the window has to be moved and rotated again.
    capacity_ = rounded_up(p_.n_local + p_.block_size + p_.exc_block_size + 1024, slot_block);
    window_ = std::make_unique<Arena>(*model.backend, static_cast<size_t>(h.layers) * 3 + 8);
    layers_.resize(static_cast<size_t>(h.layers));
    look_ups_.resize(layers_.size());
    used_units_.resize(layers_.size());
    for (int l = 0; l < h.layers; ++l) {
        LayerState& state = layers_[static_cast<size_t>(l)];
        state.raw_keys = ggml_new_tensor_2d(window_->on(false), type_, width(), capacity_);
        state.keys = ggml_new_tensor_2d(window_->on(false), type_, width(), capacity_);
        state.values = ggml_new_tensor_2d(window_->on(false), type_, capacity_, width());
        look_ups_[static_cast<size_t>(l)] = {this, l};
        if (far_layer(l)) {
            state.received.resize(static_cast<size_t>(h.heads) * capacity_);
            index_.emplace_back(h.heads, h.head_size, type_ == GGML_TYPE_F32);
        }
    }
    if (!window_->allocate(GGML_BACKEND_BUFFER_USAGE_ANY))
        throw Error("internal", "There is not enough memory for the window of the model.");
    window_->clear(); // masked slots are multiplied by zero, which a NaN from fresh memory would survive
    graph_memory_.resize(ggml_tensor_overhead() * max_nodes + ggml_graph_overhead_custom(max_nodes, false));
}

InfLlm::Totals InfLlm::totals() const {
    return {position_, tier_.units(), bytes(), tier_.resident(), tier_.disk_bytes(), tier_.reads(), false, 0};
}

// In memory: windows, representative keys, units.
size_t InfLlm::bytes() const {
    size_t sum = window_->bytes() + tier_.resident();
    for (const LayerState& state : layers_)
        sum += (state.received.size() + state.sink_keys.size() + state.sink_values.size()) * sizeof(float);
    return sum + index_.size() * static_cast<size_t>(tier_.units()) * model_.hyper.heads * model_.hyper.head_size *
                     ggml_type_size(type_);
}

void InfLlm::cut(const std::vector<int>& lengths) {
    if (!cut_ && position_ > 0)
        throw Error("usage", "A stream is cut into units from its first token on, or not at all.");
    const std::vector<int> pieces = pieces_of(lengths);
    cut_ = true;
    lengths_.insert(lengths_.end(), pieces.begin(), pieces.end());
}

void InfLlm::use(const std::vector<UnitLists>& units) {
    check_units(units, layers_.size(), lists());
    forced_ = units;
}

void InfLlm::look_among(const Candidates& candidates) {
    check_candidates(candidates);
    candidates_ = candidates;
}

InfLlm::Shape InfLlm::shape_of(int count, size_t rows) const {
    Shape shape;
    shape.count = count;
    shape.from = start_ / slot_block * slot_block;
    shape.window = std::min(capacity_ - shape.from, rounded_up(used_ + count - shape.from, slot_block));
    shape.rows = rows;
    shape.sinks = sinks_;
    if (p_.topk > 0) {
        shape.uneven = cut_ || !forced_.empty() || !candidates_.all();
        const int most = p_.topk * p_.block_size;
        shape.units = shape.uneven ? rounded_up(std::min(most, tier_.tokens()), 32)
                                   : std::min(p_.topk, tier_.units()) * p_.block_size;
        // With one distance, what is in no unit yet is seen from there once it is out of a token's window.
        const int oldest_seen = used_ + count - p_.n_local;
        if (p_.places == Places::one && (shape.units > 0 || shape.sinks > 0 || oldest_seen > start_))
            shape.rest = rounded_up(p_.block_size + count, 32);
    }
    return shape;
}

void InfLlm::read(const int32_t* tokens, int count, const std::vector<int32_t>& rows, const Cancel& cancel,
                  std::vector<float>& logits) {
    const Hyper& h = model_.hyper;
    if (count < 1 || count > p_.exc_block_size)
        throw Error("internal", "An execution block of " + std::to_string(count) + " tokens is not possible.");
    for (int i = 0; i < count; ++i)
        if (tokens[i] < 0 || tokens[i] >= h.vocabulary)
            throw Error("internal", "Token " + std::to_string(tokens[i]) + " is not in the model's vocabulary.");
    if (position_ > INT_MAX - count)
        throw Error("too-long", "The stream is longer than can be counted.");
    make_room(count);
    const Shape shape = shape_of(count, rows.size());
    if (!graph_ || !(shape == shape_))
        build(shape);
    set_inputs(tokens, rows);
    failure_ = nullptr;
    planner_.compute(graph_, cancel);
    if (failure_)
        std::rethrow_exception(failure_);

    std::vector<float> share;
    for (int l = 0; l < h.layers; ++l) {
        LayerState& state = layers_[static_cast<size_t>(l)];
        if (!state.share)
            continue;
        share.resize(static_cast<size_t>(ggml_nelements(state.share)));
        ggml_backend_tensor_get(state.share, share.data(), 0, ggml_nbytes(state.share));
        for (int head = 0; head < h.heads; ++head)
            for (int s = 0; s < used_ + count - shape.from; ++s)
                state.received[static_cast<size_t>(head) * capacity_ + shape.from + s] +=
                    share[static_cast<size_t>(head) * shape.window + s];
    }
    used_ += count;
    position_ += count;
    if (logits_) {
        logits.resize(static_cast<size_t>(ggml_nelements(logits_)));
        ggml_backend_tensor_get(logits_, logits.data(), 0, ggml_nbytes(logits_));
    }
    leave_window();
}

// What no later token sees exactly becomes sinks and units.
void InfLlm::leave_window() {
    while (used_ - start_ > p_.n_local) {
        const int beyond = used_ - start_ - p_.n_local;
        if (sinks_ < p_.n_init) {
            move_to_sinks(std::min(p_.n_init - sinks_, beyond));
            continue;
        }
        const int length = lengths_.empty() ? p_.block_size : lengths_.front();
        if (p_.topk == 0) { // nothing is ever looked up
            start_ += beyond;
            break;
        }
        if (length > beyond)
            break;
        make_unit(length);
        if (!lengths_.empty())
            lengths_.pop_front();
    }
}

void InfLlm::raw_rows(const LayerState& state, int slot, int count, float* keys, float* values) const {
    const size_t size = ggml_type_size(type_), w = static_cast<size_t>(width()), n = static_cast<size_t>(count);
    std::vector<char> bytes(n * w * size);
    auto to_floats = [&](const char* from, float* to, size_t values_count) {
        if (type_ == GGML_TYPE_F32)
            std::memcpy(to, from, values_count * sizeof(float));
        else
            ggml_fp16_to_fp32_row(reinterpret_cast<const ggml_fp16_t*>(from), to, static_cast<int64_t>(values_count));
    };
    ggml_backend_tensor_get(state.raw_keys, bytes.data(), static_cast<size_t>(slot) * w * size, bytes.size());
    to_floats(bytes.data(), keys, n * w);
    std::vector<float> column(n);
    for (size_t d = 0; d < w; ++d) {
        ggml_backend_tensor_get(state.values, bytes.data(), (d * capacity_ + static_cast<size_t>(slot)) * size,
                                n * size);
        to_floats(bytes.data(), column.data(), n);
        for (size_t t = 0; t < n; ++t)
            values[t * w + d] = column[t];
    }
}

void InfLlm::move_to_sinks(int count) {
    const size_t part = static_cast<size_t>(count) * width();
    for (LayerState& state : layers_) {
        const size_t at = state.sink_keys.size();
        state.sink_keys.resize(at + part);
        state.sink_values.resize(at + part);
        raw_rows(state, start_, count, state.sink_keys.data() + at, state.sink_values.data() + at);
    }
    sinks_ += count;
    start_ += count;
    for (int left = count; left > 0 && !lengths_.empty();) {
        const int taken = std::min(left, lengths_.front());
        left -= taken;
        if ((lengths_.front() -= taken) == 0)
            lengths_.pop_front();
    }
}

void InfLlm::make_unit(int length) {
    const Hyper& h = model_.hyper;
    const size_t part = static_cast<size_t>(length) * width();
    std::vector<float> rows(part * 2 * index_.size());
    for (int l = 0; l < h.layers; ++l) {
        if (!far_layer(l))
            continue;
        const LayerState& state = layers_[static_cast<size_t>(l)];
        float* keys = rows.data() + part * 2 * static_cast<size_t>(place_of(l));
        raw_rows(state, start_, length, keys, keys + part);
    }
    tier_.add(length, rows.data());
    for (int l = 0; l < h.layers; ++l)
        if (far_layer(l))
            index_[static_cast<size_t>(place_of(l))].add(
                length, h.key_heads, rows.data() + part * 2 * static_cast<size_t>(place_of(l)),
                layers_[static_cast<size_t>(l)].received.data() + start_, static_cast<size_t>(capacity_), p_.repr_topk);
    start_ += length;
    if (on_unit)
        on_unit(length, rows.data());
}

} // namespace longread
