#include "tests/reference-model.h"
#include "cuda/reference.h"
#include "engine/rope-turns.h"
#include <algorithm>

namespace longread {
namespace {

std::vector<float> floats_of(const ggml_tensor* tensor) {
    if (!tensor)
        return {};
    std::vector<char> raw(ggml_nbytes(tensor));
    ggml_backend_tensor_get(tensor, raw.data(), 0, raw.size());
    std::vector<float> floats(static_cast<size_t>(ggml_nelements(tensor)));
    if (tensor->type == GGML_TYPE_F32)
        std::memcpy(floats.data(), raw.data(), raw.size());
    else
        ggml_get_type_traits(tensor->type)->to_float(raw.data(), floats.data(), ggml_nelements(tensor));
    return floats;
}

std::vector<float> joined(std::initializer_list<const ggml_tensor*> parts) {
    std::vector<float> all;
    for (const ggml_tensor* part : parts) {
        const std::vector<float> own = floats_of(part);
        all.insert(all.end(), own.begin(), own.end());
    }
    return all;
}

const float* data_or_null(const std::vector<float>& values) { return values.empty() ? nullptr : values.data(); }

} // namespace

ReferenceModel::ReferenceModel(Model& model) : model_(model), embedding_(floats_of(model.token_embedding)) {
    for (const Layer& l : model.layers)
        layers_.push_back({floats_of(l.attn_norm), joined({l.wq, l.wk, l.wv}), joined({l.bq, l.bk, l.bv}),
                           floats_of(l.q_norm), floats_of(l.k_norm), floats_of(l.wo), floats_of(l.ffn_norm),
                           joined({l.gate, l.up}), floats_of(l.down)});
}

std::vector<std::shared_ptr<Segment>> ReferenceModel::read(const RecallHeads& recall,
                                                           const std::vector<EpisodeOptions>& episodes) {
    using namespace gpu;
    const Hyper& h = model_.hyper;
    const EpisodeOptions& like = episodes.front();
    std::vector<UnfilledSegment> made;
    std::vector<EpisodeView> views;
    int longest = 0;
    for (const EpisodeOptions& episode : episodes) {
        made.push_back(unfilled_segment(h, recall, episode));
        const SegmentShape& shape = made.back().segment->shape();
        views.push_back({episode.tokens.data(), static_cast<int32_t>(episode.tokens.size()), made.back().tokens.data(),
                         shape.tokens, made.back().segment->unit_starts(), shape.units});
        longest = std::max(longest, static_cast<int>(episode.tokens.size()));
    }
    const int format = static_cast<int>(like.format);
    const EpisodeBatch layout(views.data(), views.size(),
                              {like.window, like.sinks, format, h.head_size, static_cast<int32_t>(recall.keys.size())});
    const LongreadBatch b = layout.view();
    const std::vector<float> factors = floats_of(model_.rope_factors);
    const std::vector<float> turns = rope_turns(h, h.rope, data_or_null(factors), longest);

    const size_t rows = static_cast<size_t>(b.rows), width = static_cast<size_t>(h.embedding);
    const size_t mixed_width = static_cast<size_t>(h.heads) * h.head_size;
    const size_t qkv_width = mixed_width + 2 * static_cast<size_t>(h.key_heads) * h.head_size;
    const size_t fed_width = static_cast<size_t>(h.feed_forward);
    std::vector<float> x(rows * width), normed(x.size()), qkv(rows * qkv_width), mixed(rows * mixed_width);
    std::vector<float> gate_up(rows * 2 * fed_width), fed(rows * fed_width);
    std::vector<float> shifted(static_cast<size_t>(b.shift_count) * like.sinks * h.key_heads * h.head_size);
    std::vector<uint8_t> keys(b.key_bytes);
    for (size_t r = 0; r < rows; ++r)
        std::copy_n(embedding_.data() + b.tokens[r] * width, width, x.data() + r * width);
    const int deepest = recall.keys.back().first;
    for (int l = 0; l <= deepest; ++l) {
        const Weights& w = layers_[static_cast<size_t>(l)];
        const reference::Heads heads{h.heads,
                                     h.key_heads,
                                     h.head_size,
                                     h.rope_neox,
                                     h.norm_epsilon,
                                     data_or_null(w.bias),
                                     data_or_null(w.query_norm),
                                     data_or_null(w.key_norm),
                                     turns.data()};
        reference::norm(x.data(), w.attention_norm.data(), normed.data(), b.rows, h.embedding, h.norm_epsilon);
        reference::linear(normed.data(), w.qkv.data(), qkv.data(), b.rows, h.embedding, static_cast<int>(qkv_width),
                          false);
        for (size_t k = 0; k < recall.keys.size(); ++k)
            if (recall.keys[k].first == l)
                reference::pack(qkv.data(), b.kept_rows, b.groups, b.group_count, format, static_cast<int>(k),
                                recall.keys[k].second, heads, keys.data());
        if (l == deepest)
            break;
        reference::rotate(qkv.data(), b.positions, b.rows, heads);
        reference::shift_sinks(qkv.data(), b.shifts, b.shift_count, like.sinks, 1.0f / h.rope.stretch(), heads,
                               shifted.data());
        reference::attention(qkv.data(), shifted.data(), b.tiles, b.tile_count, like.window, like.sinks,
                             h.attention_scale, heads, mixed.data());
        reference::linear(mixed.data(), w.output.data(), x.data(), b.rows, static_cast<int>(mixed_width), h.embedding,
                          true);
        reference::norm(x.data(), w.feed_norm.data(), normed.data(), b.rows, h.embedding, h.norm_epsilon);
        reference::linear(normed.data(), w.gate_up.data(), gate_up.data(), b.rows, h.embedding, 2 * h.feed_forward,
                          false);
        reference::gate(gate_up.data(), fed.data(), b.rows, h.feed_forward);
        reference::linear(fed.data(), w.down.data(), x.data(), b.rows, h.feed_forward, h.embedding, true);
    }

    std::vector<std::shared_ptr<Segment>> segments;
    for (size_t e = 0; e < made.size(); ++e) {
        Segment& segment = *made[e].segment;
        const SegmentShape& shape = segment.shape();
        const size_t bytes = key_bytes(like.format, h.head_size, static_cast<int>(shape.tokens));
        for (uint32_t k = 0; k < shape.key_heads; ++k)
            std::memcpy(segment.writable_keys(k),
                        keys.data() + layout.keys_of(e) + k * packed_stride(format, h.head_size, shape.tokens), bytes);
        segments.push_back(made[e].segment);
    }
    if (like.bank) {
        const int bank_rows = static_cast<int>(like.bank->rows()),
                  questions = static_cast<int>(like.bank->tokens.size());
        const std::vector<int32_t> question_rows(like.bank->tokens.begin(), like.bank->tokens.end());
        const size_t units = static_cast<size_t>(b.unit_count);
        std::vector<float> masses(static_cast<size_t>(bank_rows) * units), means(units), deviations(units);
        for (size_t head = 0; head < recall.heads.size(); ++head) {
            reference::masses(keys.data(), b.units, b.unit_count, format, recall.heads[head].key_slot, h.head_size,
                              like.bank->queries.data() + head * bank_rows * h.head_size, bank_rows, masses.data());
            reference::statistics(masses.data(), question_rows.data(), questions, b.unit_count, means.data(),
                                  deviations.data());
            for (size_t e = 0; e < made.size(); ++e) {
                const uint32_t own = segments[e]->shape().units;
                std::copy_n(means.data() + layout.first_unit_of(e), own, segments[e]->writable_means() + head * own);
                std::copy_n(deviations.data() + layout.first_unit_of(e), own,
                            segments[e]->writable_deviations() + head * own);
            }
        }
    }
    return segments;
}

} // namespace longread
