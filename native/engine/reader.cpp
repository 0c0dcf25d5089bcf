#include "engine/reader.h"
#include <algorithm>
#include <cstring>

namespace longread {
namespace {

std::vector<int> layers_of(const RecallHeads& heads) {
    std::vector<int> layers;
    for (const auto& [layer, head] : heads.keys)
        if (layers.empty() || layers.back() != layer)
            layers.push_back(layer);
    return layers;
}

// Runs the tokens through a context in batches; `after` sees each batch's captures.
void in_batches(Context& context, const std::vector<int32_t>& tokens, const Wanted& wanted, const Cancel& cancel,
                const std::function<void(int first, int count, Captured&)>& after) {
    Captured captured;
    for (int first = 0; first < static_cast<int>(tokens.size()); first += context.batch()) {
        const int count = std::min(context.batch(), static_cast<int>(tokens.size()) - first);
        context.read(tokens.data() + first, count, wanted, cancel, captured);
        after(first, count, captured);
    }
}

} // namespace

std::shared_ptr<Segment> read_episode(Model& model, const RecallHeads& heads, const EpisodeOptions& options,
                                      const Cancel& cancel, const std::function<void(int)>& progress) {
    const Hyper& h = model.hyper;
    const int total = static_cast<int>(options.tokens.size());
    const UnfilledSegment made = unfilled_segment(h, heads, options);
    const std::shared_ptr<Segment>& segment = made.segment;
    const std::vector<uint32_t>& kept = made.tokens;
    const SegmentShape& shape = segment->shape();
    if (total == 0)
        return segment;

    Wanted wanted;
    wanted.keys = layers_of(heads);
    wanted.stop_early = true;
    ContextOptions context_options;
    context_options.window = options.window;
    context_options.sinks = options.sinks;
    context_options.layers = wanted.keys.back() + 1;
    context_options.batch = batch_tokens;
    context_options.capacity = episode_slots(total, options.window, options.sinks);
    Context context(model, context_options);

    // Keys as F32 rows until the episode is whole: [key head][token][head size].
    std::vector<float> rows(static_cast<size_t>(shape.key_heads) * shape.tokens * h.head_size);
    size_t first_row = 0;
    in_batches(context, options.tokens, wanted, cancel, [&](int first, int count, Captured& captured) {
        size_t end_row = first_row;
        while (end_row < kept.size() && kept[end_row] < static_cast<uint32_t>(first + count))
            ++end_row;
        for (size_t k = 0; k < heads.keys.size(); ++k) {
            const auto [layer, key_head] = heads.keys[k];
            const size_t at = static_cast<size_t>(std::lower_bound(wanted.keys.begin(), wanted.keys.end(), layer) -
                                                  wanted.keys.begin());
            const float* from = captured.keys[at].data();
            for (size_t row = first_row; row < end_row; ++row)
                std::memcpy(rows.data() + (k * shape.tokens + row) * h.head_size,
                            from + (static_cast<size_t>(kept[row] - first) * h.key_heads + key_head) * h.head_size,
                            h.head_size * sizeof(float));
        }
        first_row = end_row;
        progress(first + count);
    });
    for (uint32_t k = 0; k < shape.key_heads; ++k)
        pack_keys(shape.format, h.head_size, static_cast<int>(shape.tokens),
                  rows.data() + static_cast<size_t>(k) * shape.tokens * h.head_size, static_cast<size_t>(h.head_size),
                  segment->writable_keys(k));
    if (options.bank)
        take_bank_statistics(*segment, heads, *options.bank, model.backend->threads());
    cancel.check();
    return segment;
}

std::vector<std::shared_ptr<Segment>> read_episodes(Model& model, const RecallHeads& heads,
                                                    const std::vector<EpisodeOptions>& episodes, const Cancel& cancel,
                                                    const std::function<void(int)>& progress) {
    std::vector<std::shared_ptr<Segment>> segments;
    int before = 0;
    for (const EpisodeOptions& episode : episodes) {
        segments.push_back(read_episode(model, heads, episode, cancel, [&](int tokens) { progress(before + tokens); }));
        before += static_cast<int>(episode.tokens.size());
    }
    return segments;
}

std::vector<float> read_queries(Model& model, const RecallHeads& heads, const std::vector<int32_t>& tokens, int from,
                                int distance, const Cancel& cancel) {
    const Hyper& h = model.hyper;
    const int total = static_cast<int>(tokens.size());
    if (from < 0 || from >= total)
        throw Error("usage", "A question has no tokens.");
    Wanted wanted;
    wanted.queries = layers_of(heads);
    wanted.query_distance = distance;
    wanted.stop_early = true;
    ContextOptions options;
    options.capacity = total;
    options.layers = wanted.queries.back() + 1;
    Context context(model, options);
    const int rows = total - from;
    std::vector<float> queries(heads.heads.size() * rows * h.head_size);
    in_batches(context, tokens, wanted, cancel, [&](int first, int count, Captured& captured) {
        for (size_t i = 0; i < heads.heads.size(); ++i) {
            const size_t at = static_cast<size_t>(
                std::lower_bound(wanted.queries.begin(), wanted.queries.end(), heads.heads[i].layer) -
                wanted.queries.begin());
            // Stored keys are not rotated, so they lack what rotating lengthens.
            const float scale = h.attention_scale * h.rope_of(heads.heads[i].layer).stretch();
            for (int t = std::max(0, from - first); t < count; ++t) {
                const float* row = captured.queries[at].data() +
                                   (static_cast<size_t>(t) * h.heads + heads.heads[i].head) * h.head_size;
                float* to = queries.data() + (i * rows + (first + t - from)) * h.head_size;
                for (int d = 0; d < h.head_size; ++d)
                    to[d] = row[d] * scale;
            }
        }
    });
    return queries;
}

std::vector<float> read_logits(Model& model, const std::vector<int32_t>& tokens, const std::vector<int32_t>& rows,
                               const Cancel& cancel) {
    ContextOptions options;
    options.capacity = static_cast<int>(tokens.size());
    Context context(model, options);
    std::vector<float> logits;
    Captured captured;
    for (int first = 0; first < static_cast<int>(tokens.size()); first += context.batch()) {
        const int count = std::min(context.batch(), static_cast<int>(tokens.size()) - first);
        Wanted wanted;
        for (int32_t row : rows)
            if (row >= first && row < first + count)
                wanted.rows.push_back(row - first);
        context.read(tokens.data() + first, count, wanted, cancel, captured);
        if (!wanted.rows.empty())
            logits.insert(logits.end(), captured.logits.begin(), captured.logits.end());
    }
    return logits;
}

} // namespace longread
