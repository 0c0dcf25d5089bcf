// Operations within an execution block's graph: a layer chooses its units by its queries, and their keys and values are
// put together with those of the sinks and of what is in no unit yet.
#include "infllm/infllm.h"
#include <algorithm>
#include <cmath>
#include <cstring>

namespace longread {

// By candidates_; empty where all may be looked up.
std::vector<Standing> InfLlm::standings() const {
    std::vector<Standing> standing;
    if (candidates_.all())
        return standing;
    int at = p_.n_init; // where units begin
    auto first = candidates_.first.begin();
    for (int unit = 0; unit < tier_.units(); at += tier_.tokens(unit++)) {
        while (first != candidates_.first.end() && first->second <= at)
            ++first;
        const bool ahead = first != candidates_.first.end() && first->first <= at;
        standing.push_back(at >= candidates_.before ? Standing::never : ahead ? Standing::first : Standing::may);
    }
    return standing;
}

// `query`: [head size, heads, token] F32, rotated to `distance`.
UnitLists InfLlm::look_up(int layer, const ggml_tensor* query) const {
    const Hyper& h = model_.hyper;
    if (!forced_.empty()) {
        UnitLists units = forced_.size() == 1 ? forced_[0] : forced_[static_cast<size_t>(layer)];
        units.resize(std::max<size_t>(units.size(), 1));
        if (units.size() < lists())
            units.resize(lists(), units[0]);
        return units;
    }
    UnitLists units(lists());
    if (shape_.units == 0)
        return units;
    const size_t size = static_cast<size_t>(h.heads) * h.head_size;
    std::vector<float> mean(size), scores;
    const float* from = static_cast<const float*>(query->data);
    for (int i = 0; i < shape_.count; ++i, from += size)
        for (size_t d = 0; d < size; ++d)
            mean[d] += from[d] / static_cast<float>(shape_.count);
    std::vector<int> lengths(static_cast<size_t>(tier_.units()));
    for (size_t u = 0; u < lengths.size(); ++u)
        lengths[u] = tier_.tokens(static_cast<int>(u));
    const std::vector<Standing> standing = standings();
    const int most = cut_ ? tier_.units() : p_.topk;
    for (size_t list = 0; list < units.size(); ++list) {
        const int first = p_.perhead ? static_cast<int>(list) : 0;
        index_[static_cast<size_t>(place_of(layer))].score(mean.data(), first, p_.perhead ? 1 : h.heads, scores);
        units[list] = best_units(scores, lengths, p_.topk * p_.block_size, most, standing);
    }
    return units;
}

// Those of sinks and units. Places in order count back from the window, so empty slots are the first ones then.
InfLlm::Slots InfLlm::filled_slots(const std::vector<int>& units) const {
    int count = shape_.sinks;
    for (int unit : units)
        count += tier_.tokens(unit);
    const int first = p_.places == Places::ordered ? shape_.sinks + shape_.units - count : 0;
    return {first, first + count};
}

// `to`: keys [groups * head size, slot], then values [slot, groups * head size].
void InfLlm::gather(int layer, const ggml_tensor* query, ggml_tensor* to) {
    const Hyper& h = model_.hyper;
    LayerState& state = layers_[static_cast<size_t>(layer)];
    const size_t size = ggml_type_size(type_), head = static_cast<size_t>(h.head_size) * size;
    const size_t far = static_cast<size_t>(shape_.far()), groups = static_cast<size_t>(this->groups());
    char* keys = static_cast<char*>(to->data);
    char* values = keys + far * groups * head;
    std::memset(keys, 0, ggml_nbytes(to)); // empty slots are masked, and must hold numbers
    const UnitLists units = look_up(layer, query);
    used_units_[static_cast<size_t>(layer)] = units;
    for (const std::vector<int>& list : units)
        tier_.expect(place_of(layer) + 1, list);

    // A part of what is gathered, for one group: keys [token][key_stride bytes], values [head size][value_stride
    // bytes].
    auto put = [&](size_t group, size_t slot, size_t count, const char* from_keys, size_t key_stride,
                   const char* from_values, size_t value_stride) {
        for (size_t t = 0; t < count; ++t)
            std::memcpy(keys + ((slot + t) * groups + group) * head, from_keys + t * key_stride, head);
        for (size_t d = 0; d < static_cast<size_t>(h.head_size); ++d)
            std::memcpy(values + ((group * static_cast<size_t>(h.head_size) + d) * far + slot) * size,
                        from_values + d * value_stride, count * size);
    };
    const size_t row = static_cast<size_t>(width()) * size, sinks = static_cast<size_t>(shape_.sinks);
    // The sinks as the window had them.
    std::vector<char> sink_keys(sinks * row), sink_values(sinks * row);
    auto write = [&](auto* k, auto* v, auto convert) {
        const size_t w = static_cast<size_t>(width());
        for (size_t t = 0; t < sinks; ++t)
            for (size_t d = 0; d < w; ++d) {
                k[t * w + d] = convert(state.sink_keys[t * w + d]);
                v[d * sinks + t] = convert(state.sink_values[t * w + d]);
            }
    };
    if (type_ == GGML_TYPE_F32)
        write(reinterpret_cast<float*>(sink_keys.data()), reinterpret_cast<float*>(sink_values.data()),
              [](float x) { return x; });
    else
        write(reinterpret_cast<ggml_fp16_t*>(sink_keys.data()), reinterpret_cast<ggml_fp16_t*>(sink_values.data()),
              [](float x) { return ggml_fp32_to_fp16(x); });
    // Of the window, what later tokens of this block no longer see exactly.
    const size_t rest = static_cast<size_t>(std::clamp(used_ + shape_.count - p_.n_local - start_, 0, shape_.rest));
    const size_t column = static_cast<size_t>(capacity_) * size, at = static_cast<size_t>(start_);
    const char* window_keys = static_cast<const char*>(state.raw_keys->data) + at * row;
    const char* window_values = static_cast<const char*>(state.values->data) + at * size;

    state.filled.clear();
    for (const std::vector<int>& list : units)
        state.filled.push_back(filled_slots(list));
    for (size_t group = 0; group < groups; ++group) {
        const size_t own = group * static_cast<size_t>(h.key_heads) / groups; // the key head
        const size_t list = p_.perhead ? group : 0;
        const size_t part = own * static_cast<size_t>(h.head_size);
        size_t slot = static_cast<size_t>(state.filled[list].first);
        put(group, slot, sinks, sink_keys.data() + own * head, row, sink_values.data() + part * sinks * size,
            sinks * size);
        slot += sinks;
        for (int unit : units[list]) {
            const size_t count = static_cast<size_t>(tier_.tokens(unit));
            const char* record = tier_.get(place_of(layer), unit);
            put(group, slot, count, record + own * head, row, record + count * row + part * count * size, count * size);
            slot += count;
        }
        put(group, static_cast<size_t>(shape_.sinks + shape_.units), rest, window_keys + own * head, row,
            window_values + part * column, column);
    }
}

// `mask` and, for each list, `to`: [far and window slots, token] F16.
void InfLlm::fill_mask(int layer, const ggml_tensor* mask, ggml_tensor* to) const {
    const size_t bytes = ggml_nbytes(mask);
    const ggml_fp16_t seen = ggml_fp32_to_fp16(0.0f);
    const std::vector<Slots>& filled = layers_[static_cast<size_t>(layer)].filled;
    for (size_t list = 0; list < filled.size(); ++list) {
        char* part = static_cast<char*>(to->data) + list * bytes;
        std::memcpy(part, mask->data, bytes);
        for (int64_t i = 0; i < mask->ne[1]; ++i) {
            ggml_fp16_t* row = reinterpret_cast<ggml_fp16_t*>(part) + i * mask->ne[0];
            std::fill(row + filled[list].first, row + filled[list].end, seen);
        }
    }
}

// ggml is C and runs these on its threads: an exception is kept until the graph has ended.
void InfLlm::gather_op(ggml_tensor* to, int thread, int, void* look_up) {
    if (thread != 0)
        return;
    const LookUp* own = static_cast<const LookUp*>(look_up);
    if (own->owner->failure_) // the whole graph is thrown away
        return;
    try {
        own->owner->gather(own->layer, to->src[0], to);
    } catch (...) {
        own->owner->failure_ = std::current_exception();
        std::memset(to->data, 0, ggml_nbytes(to));
    }
}

void InfLlm::mask_op(ggml_tensor* to, int thread, int, void* look_up) {
    if (thread != 0)
        return;
    const LookUp* own = static_cast<const LookUp*>(look_up);
    if (own->owner->failure_)
        return;
    own->owner->fill_mask(own->layer, to->src[0], to);
}

} // namespace longread
