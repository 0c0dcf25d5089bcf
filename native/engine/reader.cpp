#include "engine/reader.h"
#include "recall/masses.h"
#include <cmath>
#include <cstring>
#include <thread>

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

// Mean and deviation over the reference questions of each unit's mean mass, for every head.
void take_bank_statistics(Segment& segment, const RecallHeads& heads, const Bank& bank, int threads) {
    const SegmentShape& shape = segment.shape();
    uint32_t rows = 0;
    for (uint32_t n : bank.tokens)
        rows += n;
    auto work = [&](size_t first, size_t step) {
        std::vector<float> masses(rows);
        for (size_t h = first; h < heads.heads.size(); h += step) {
            const KeyView keys = segment.keys(static_cast<uint32_t>(heads.heads[h].key_slot));
            const float* queries = bank.queries.data() + h * rows * shape.head_size;
            for (uint32_t u = 0; u < shape.units; ++u) {
                unit_masses(keys, static_cast<int>(segment.unit_starts()[u]),
                            static_cast<int>(segment.unit_starts()[u + 1]), queries, static_cast<int>(rows),
                            masses.data(), 1);
                double sum = 0, squares = 0;
                uint32_t row = 0;
                for (uint32_t n : bank.tokens) {
                    double mean = 0;
                    for (uint32_t t = 0; t < n; ++t)
                        mean += masses[row++];
                    mean /= n;
                    sum += mean;
                    squares += mean * mean;
                }
                const double questions = static_cast<double>(bank.tokens.size());
                const double mean = sum / questions;
                const bool finite = std::isfinite(mean);
                segment.writable_means()[h * shape.units + u] = finite ? static_cast<float>(mean) : 0.0f;
                segment.writable_deviations()[h * shape.units + u] =
                    finite ? static_cast<float>(std::sqrt(std::max(0.0, squares / questions - mean * mean))) : 0.0f;
            }
        }
    };
    std::vector<std::thread> workers;
    for (int t = 1; t < threads; ++t)
        workers.emplace_back(work, t, threads);
    work(0, static_cast<size_t>(threads));
    for (std::thread& worker : workers)
        worker.join();
}

} // namespace

std::shared_ptr<Segment> read_episode(Model& model, const RecallHeads& heads, const EpisodeOptions& options,
                                      const Cancel& cancel, const std::function<void(int)>& progress) {
    const Hyper& h = model.hyper;
    const int total = static_cast<int>(options.tokens.size());
    std::vector<int> row_of(options.tokens.size(), -1); // the remembered token's place in the segment
    std::vector<uint32_t> starts{0};
    uint32_t kept = 0, previous = 0;
    for (const auto& [begin, end] : options.units) {
        if (begin < previous || end < begin || end > options.tokens.size())
            throw Error("usage", "The units of an episode do not follow one another.");
        for (uint32_t t = begin; t < end; ++t)
            row_of[t] = static_cast<int>(kept++);
        starts.push_back(kept);
        previous = end;
    }
    SegmentShape shape;
    shape.format = options.format;
    shape.head_size = static_cast<uint32_t>(h.head_size);
    shape.key_heads = static_cast<uint32_t>(heads.keys.size());
    shape.heads = static_cast<uint32_t>(heads.heads.size());
    shape.units = static_cast<uint32_t>(options.units.size());
    shape.tokens = kept;
    auto segment = std::make_shared<Segment>(shape);
    std::memcpy(segment->writable_starts(), starts.data(), starts.size() * sizeof(uint32_t));
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
    context_options.capacity = std::min(total, options.sinks + options.window + batch_tokens);
    Context context(model, context_options);

    // Keys as F32 rows until the episode is whole: [key head][token][head size].
    std::vector<float> rows(static_cast<size_t>(shape.key_heads) * kept * h.head_size);
    in_batches(context, options.tokens, wanted, cancel, [&](int first, int count, Captured& captured) {
        for (size_t k = 0; k < heads.keys.size(); ++k) {
            const auto [layer, key_head] = heads.keys[k];
            const size_t at = static_cast<size_t>(std::lower_bound(wanted.keys.begin(), wanted.keys.end(), layer) -
                                                  wanted.keys.begin());
            const float* from = captured.keys[at].data();
            for (int t = 0; t < count; ++t) {
                const int row = row_of[static_cast<size_t>(first + t)];
                if (row >= 0)
                    std::memcpy(rows.data() + (k * kept + row) * h.head_size,
                                from + (static_cast<size_t>(t) * h.key_heads + key_head) * h.head_size,
                                h.head_size * sizeof(float));
            }
        }
        progress(first + count);
    });
    for (uint32_t k = 0; k < shape.key_heads; ++k)
        pack_keys(shape.format, h.head_size, static_cast<int>(kept),
                  rows.data() + static_cast<size_t>(k) * kept * h.head_size, static_cast<size_t>(h.head_size),
                  segment->writable_keys(k));
    if (options.bank)
        take_bank_statistics(*segment, heads, *options.bank, model.backend->threads());
    cancel.check();
    return segment;
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
