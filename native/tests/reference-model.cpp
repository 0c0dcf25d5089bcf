#include "tests/reference-model.h"
#include "cuda/episodes.h"
#include "engine/gpu-reader.h"
#include "engine/rope-turns.h"
#include <algorithm>
#include <cstring>

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

} // namespace

ReferenceModel::ReferenceModel(Model& model, int positions) : model_(model) {
    const Hyper& h = model.hyper;
    weights_.shape = GpuReader::shape_of(h, h.layers, 0, 0, {positions, positions}); // windows are what episodes have
    const std::vector<float> factors = floats_of(model.rope_factors);
    weights_.turns = rope_turns(h, h.rope, factors.empty() ? nullptr : factors.data(), positions);
    weights_.embedding = floats_of(model.token_embedding);
    for (const Layer& l : model.layers)
        weights_.layers.push_back({floats_of(l.attn_norm), joined({l.wq, l.wk, l.wv}), joined({l.bq, l.bk, l.bv}),
                                   floats_of(l.q_norm), floats_of(l.k_norm), floats_of(l.wo), floats_of(l.ffn_norm),
                                   joined({l.gate, l.up}), floats_of(l.down)});
}

std::vector<std::shared_ptr<Segment>> ReferenceModel::read(const RecallHeads& heads,
                                                           const std::vector<EpisodeOptions>& episodes) {
    using namespace gpu;
    const Hyper& h = model_.hyper;
    const EpisodeOptions& like = episodes.front();
    std::vector<UnfilledSegment> made;
    std::vector<EpisodeView> views;
    for (const EpisodeOptions& episode : episodes) {
        made.push_back(unfilled_segment(h, heads, episode));
        const SegmentShape& shape = made.back().segment->shape();
        views.push_back({episode.tokens.data(), static_cast<int32_t>(episode.tokens.size()), made.back().tokens.data(),
                         shape.tokens, made.back().segment->unit_starts(), shape.units});
    }
    const int format = static_cast<int>(like.format);
    const EpisodeBatch layout(views.data(), views.size(),
                              {like.window, like.sinks, format, h.head_size, static_cast<int32_t>(heads.keys.size())});
    weights_.shape.window = like.window;
    weights_.shape.sinks = like.sinks;
    std::vector<int32_t> key_layer, key_head, head_slot,
        question_rows(like.bank->tokens.begin(), like.bank->tokens.end());
    for (const auto& [layer, head] : heads.keys) {
        key_layer.push_back(layer);
        key_head.push_back(head);
    }
    for (const RecallHead& head : heads.heads)
        head_slot.push_back(head.key_slot);
    const LongreadRecall recall{format,
                                static_cast<int32_t>(key_layer.size()),
                                key_layer.data(),
                                key_head.data(),
                                static_cast<int32_t>(head_slot.size()),
                                static_cast<int32_t>(question_rows.size()),
                                head_slot.data(),
                                like.bank->queries.data(),
                                question_rows.data()};
    const ReferenceRead read = read_by_references(weights_, recall, layout.view());

    const size_t units = static_cast<size_t>(layout.view().unit_count);
    std::vector<std::shared_ptr<Segment>> segments;
    for (size_t e = 0; e < made.size(); ++e) {
        Segment& segment = *made[e].segment;
        const SegmentShape& shape = segment.shape();
        const size_t bytes = key_bytes(like.format, h.head_size, static_cast<int>(shape.tokens));
        for (uint32_t k = 0; k < shape.key_heads; ++k)
            std::memcpy(segment.writable_keys(k),
                        read.keys.data() + layout.keys_of(e) + k * packed_stride(format, h.head_size, shape.tokens),
                        bytes);
        for (uint32_t head = 0; head < shape.heads; ++head) {
            const size_t from = head * units + layout.first_unit_of(e), to = size_t{head} * shape.units;
            std::copy_n(read.means.data() + from, shape.units, segment.writable_means() + to);
            std::copy_n(read.deviations.data() + from, shape.units, segment.writable_deviations() + to);
        }
        segments.push_back(made[e].segment);
    }
    return segments;
}

} // namespace longread
