#include "engine/gpu-reader.h"
#include "engine/half-weights.h"
#include "engine/rope-turns.h"
#include <algorithm>
#include <cmath>
#include <cstring>

namespace longread {
std::string GpuReader::refusal(const Model& model) {
    const Hyper& h = model.hyper;
    if (h.architecture != "llama" && h.architecture != "qwen2" && h.architecture != "qwen3")
        return "there are none for the architecture " + h.architecture;
    if ((h.head_size != 64 && h.head_size != 128) || h.embedding % 8 != 0 || h.feed_forward % 8 != 0)
        return "there are none for heads of " + std::to_string(h.head_size);
    for (const Layer& l : model.layers)
        if (l.bo || l.gate_bias || l.up_bias || l.down_bias || !l.bq != !l.bk || !l.bq != !l.bv)
            return "there are none for this model's biases";
    return "";
}

GpuReader::Room GpuReader::room_for(const gpu::Place& place, const Model& model) {
    const Hyper& h = model.hyper;
    // What a GPU of 500 TFLOP/s reads in a tenth of a second, so that cancelling is quick.
    const double layer =
        static_cast<double>(h.embedding) * (2.0 * (h.heads + h.key_heads) * h.head_size + 3.0 * h.feed_forward);
    const int most = static_cast<int>(std::min(32768.0, std::max(16384.0, 5e13 / (2 * layer * h.layers))));
    // A gigabyte stays for the lists and keys of batches, and for answers.
    const uint64_t free = place.library->free_bytes(place.bus_id.c_str());
    const auto fits = [&](const Room& room) {
        const LongreadShape shape = shape_of(h, h.layers, 2048, 4, room, model.eight);
        const uint64_t needed = place.library->reader_bytes(&shape);
        return needed > 0 && needed + (uint64_t{1} << 30) <= free;
    };
    for (int rows = most; rows >= 4096; rows /= 2)
        if (fits({rows, rows})) {
            Room room{rows, rows};
            // Hardly a file that is worth reading is longer: it has some hundred kilobytes.
            while (room.longest < 262144 && fits({rows, 2 * room.longest}))
                room.longest *= 2;
            return room;
        }
    return {};
}

LongreadShape GpuReader::shape_of(const Hyper& h, int layers, int window, int sinks, const Room& room, bool eight) {
    LongreadShape s{};
    s.layers = layers;
    s.embedding = h.embedding;
    s.feed_forward = h.feed_forward;
    s.vocabulary = h.vocabulary;
    s.heads = h.heads;
    s.key_heads = h.key_heads;
    s.head_size = h.head_size;
    s.neox = h.rope_neox;
    s.norm_epsilon = h.norm_epsilon;
    s.attention_scale = h.attention_scale;
    s.shift_length = 1.0f / h.rope.stretch();
    s.rows = room.rows;
    s.positions = room.longest;
    s.window = window;
    s.sinks = sinks;
    s.eight = eight;
    return s;
}

void GpuReader::fail() const { throw gpu::Failure(place_.library->error()); }

GpuReader::GpuReader(const gpu::Place& place, const Model& model, int layers, int window, int sinks, const Room& room)
    : place_(place), shape_(shape_of(model.hyper, model.hyper.layers, window, sinks, room, model.eight)),
      hyper_(model.hyper) {
    const HalfStart start(model, shape_.positions);
    rope_factors_ = start.rope_factors;
    reader_ = place.library->reader_new(place.bus_id.c_str(), place.cublas.c_str(), &shape_, start.turns.data(),
                                        start.embedding.data());
    if (!reader_)
        fail();
    try {
        copy_weights(model, layers, model.backend->threads());
    } catch (...) {
        place_.library->reader_free(reader_);
        throw;
    }
}

// Of the layers up to `layers` that are not there yet.
void GpuReader::copy_weights(const Model& model, int layers, int threads) {
    for (int l = loaded_; l < layers; ++l) {
        const HalfLayer from(model.layers[static_cast<size_t>(l)], threads);
        const LongreadLayer layer = from.view();
        if (place_.library->reader_layer(reader_, l, &layer) != 0)
            fail();
        query_bias_.push_back(floats_of({model.layers[static_cast<size_t>(l)].bq}));
        query_norm_.push_back(floats_of({model.layers[static_cast<size_t>(l)].q_norm}));
        loaded_ = l + 1;
    }
}

// All layers, and what comes after them.
void GpuReader::deepen(const Model& model) {
    const int threads = model.backend->threads();
    copy_weights(model, shape_.layers, threads);
    if (has_output_)
        return;
    const bool own = model.output != model.token_embedding;
    const uint64_t bytes = own ? 2 * static_cast<uint64_t>(ggml_nelements(model.output)) : 0;
    // As room_for() leaves a gigabyte.
    if (own && place_.library->free_bytes(place_.bus_id.c_str()) < bytes + (uint64_t{1} << 30))
        throw gpu::Failure("the GPU has too little free memory for the weights of the output");
    const auto norm = floats_of({model.output_norm}), bias = floats_of({model.output_bias});
    const auto matrix = own ? halves_of({model.output}, threads) : std::vector<uint16_t>();
    const LongreadOutput output{norm.data(), own ? matrix.data() : nullptr, bias.empty() ? nullptr : bias.data()};
    if (place_.library->reader_output(reader_, &output) != 0)
        fail();
    has_output_ = true;
}

// For texts of which nothing is kept.
gpu::EpisodeRule GpuReader::rule() const {
    gpu::EpisodeRule rule;
    rule.window = shape_.window;
    rule.sinks = shape_.sinks;
    rule.head_size = shape_.head_size;
    return rule;
}

std::vector<float> GpuReader::queries(const RecallHeads& heads, const std::vector<int32_t>& tokens, int from,
                                      int distance) {
    std::vector<int32_t> layers;
    for (const auto& [layer, key_head] : heads.keys)
        if (layers.empty() || layers.back() != layer)
            layers.push_back(layer);
    gpu::EpisodeView view;
    view.tokens = tokens.data();
    view.count = static_cast<int32_t>(tokens.size());
    for (int32_t token : tokens)
        if (token < 0 || token >= hyper_.vocabulary)
            throw Error("internal", "Token " + std::to_string(token) + " is not in the model's vocabulary.");
    const gpu::EpisodeBatch layout(&view, 1, rule());
    const LongreadBatch batch = layout.view();
    const size_t size = static_cast<size_t>(shape_.head_size), rows = tokens.size() - static_cast<size_t>(from);
    const size_t width = static_cast<size_t>(shape_.heads + 2 * shape_.key_heads) * size;
    std::vector<uint16_t> products(layers.size() * rows * width);
    if (place_.library->reader_heads(reader_, &batch, layers.data(), static_cast<int32_t>(layers.size()), from,
                                     products.data()) != 0)
        fail();
    // All are rotated to one position.
    const std::vector<float> turns =
        rope_turns(hyper_, hyper_.rope, rope_factors_.empty() ? nullptr : rope_factors_.data(), distance + 1);
    const float* turn = turns.data() + static_cast<size_t>(distance) * size;
    std::vector<float> queries(heads.heads.size() * rows * size), own(size);
    float* to = queries.data();
    for (const RecallHead& head : heads.heads) {
        const size_t layer = static_cast<size_t>(head.layer), number = static_cast<size_t>(head.head);
        const size_t at =
            static_cast<size_t>(std::lower_bound(layers.begin(), layers.end(), head.layer) - layers.begin());
        const std::vector<float>&bias = query_bias_[layer], &norm = query_norm_[layer];
        // Stored keys are not rotated, so they lack what rotating lengthens.
        const float scale = hyper_.attention_scale * hyper_.rope.stretch();
        for (size_t r = 0; r < rows; ++r, to += size) {
            ggml_fp16_to_fp32_row(products.data() + (at * rows + r) * width + number * size, own.data(),
                                  static_cast<int64_t>(size));
            float squares = 0;
            for (size_t d = 0; d < size; ++d) {
                own[d] += bias.empty() ? 0.0f : bias[number * size + d];
                squares += own[d] * own[d];
            }
            if (!norm.empty())
                for (size_t d = 0; d < size; ++d)
                    own[d] *= norm[d] / std::sqrt(squares / static_cast<float>(size) + hyper_.norm_epsilon);
            for (size_t pair = 0; pair < size / 2; ++pair) {
                const size_t a = hyper_.rope_neox ? pair : 2 * pair, b = hyper_.rope_neox ? pair + size / 2 : a + 1;
                to[a] = scale * (own[a] * turn[2 * pair] - own[b] * turn[2 * pair + 1]);
                to[b] = scale * (own[a] * turn[2 * pair + 1] + own[b] * turn[2 * pair]);
            }
        }
    }
    return queries;
}

std::vector<float> GpuReader::likelihoods(const Model& model, const std::vector<std::vector<int32_t>>& prefixes,
                                          const std::vector<int32_t>& target, const Cancel& cancel,
                                          const std::function<void(int)>& progress) {
    deepen(model);
    std::vector<float> results;
    while (results.size() < prefixes.size()) {
        cancel.check();
        std::vector<std::vector<int32_t>> texts;
        std::vector<int32_t> rows, wanted;
        int tokens = 0;
        for (size_t p = results.size(); p < prefixes.size(); ++p) {
            // Nothing comes after the target's last token.
            std::vector<int32_t> text = prefixes[p];
            text.insert(text.end(), target.begin(), target.end() - 1);
            const int count = static_cast<int>(text.size());
            if (tokens > 0 && tokens + count > shape_.rows)
                break;
            for (int32_t token : text)
                if (token < 0 || token >= hyper_.vocabulary)
                    throw Error("internal", "Token " + std::to_string(token) + " is not in the model's vocabulary.");
            for (size_t t = 0; t < target.size(); ++t) {
                rows.push_back(tokens + static_cast<int32_t>(prefixes[p].size() - 1 + t));
                wanted.push_back(target[t]);
            }
            tokens += count;
            texts.push_back(std::move(text));
        }
        std::vector<gpu::EpisodeView> views(texts.size());
        for (size_t i = 0; i < texts.size(); ++i) {
            views[i].tokens = texts[i].data();
            views[i].count = static_cast<int32_t>(texts[i].size());
        }
        const gpu::EpisodeBatch layout(views.data(), views.size(), rule());
        const LongreadBatch batch = layout.view();
        std::vector<float> each(rows.size());
        if (place_.library->reader_likelihoods(reader_, &batch, rows.data(), wanted.data(),
                                               static_cast<int32_t>(rows.size()), each.data()) != 0)
            fail();
        for (size_t i = 0; i < texts.size(); ++i) {
            double sum = 0;
            for (size_t t = 0; t < target.size(); ++t)
                sum += each[i * target.size() + t];
            results.push_back(static_cast<float>(sum / static_cast<double>(target.size())));
        }
        progress(static_cast<int>(results.size()));
    }
    return results;
}

GpuReader::~GpuReader() {
    if (reader_)
        place_.library->reader_free(reader_);
}

void GpuReader::tell_recall(const RecallHeads& heads, const EpisodeOptions& like) {
    std::vector<int32_t> key_layer, key_head, head_slot, question_rows;
    for (const auto& [layer, head] : heads.keys) {
        key_layer.push_back(layer);
        key_head.push_back(head);
    }
    for (const RecallHead& head : heads.heads)
        head_slot.push_back(head.key_slot);
    const float* queries = nullptr;
    size_t numbers = 0;
    if (like.bank) {
        question_rows.assign(like.bank->tokens.begin(), like.bank->tokens.end());
        queries = like.bank->queries.data();
        numbers = like.bank->queries.size();
    }
    // The bank is megabytes and the same in every call.
    uint32_t lists = crc32c(static_cast<uint32_t>(like.format), key_layer.data(), key_layer.size() * 4);
    for (const auto* list : {&key_head, &head_slot, &question_rows})
        lists = crc32c(lists + static_cast<uint32_t>(list->size()), list->data(), list->size() * 4);
    const uint64_t telling = (static_cast<uint64_t>(lists) << 32 | crc32c(1, queries, numbers * sizeof(float))) | 1;
    if (telling == told_)
        return;
    const LongreadRecall recall{static_cast<int32_t>(like.format),
                                static_cast<int32_t>(key_layer.size()),
                                key_layer.data(),
                                key_head.data(),
                                static_cast<int32_t>(head_slot.size()),
                                static_cast<int32_t>(question_rows.size()),
                                head_slot.data(),
                                queries,
                                question_rows.data()};
    told_ = 0;
    if (place_.library->reader_recall(reader_, &recall) != 0)
        fail();
    told_ = telling;
}

struct GpuReader::Batch {
    std::vector<UnfilledSegment> segments;
    std::unique_ptr<gpu::EpisodeBatch> layout;
    int tokens = 0;
};

// As many episodes from `first` on as fit; of one that is longer than a batch, that one alone.
GpuReader::Batch GpuReader::begin(const RecallHeads& heads, const std::vector<const EpisodeOptions*>& episodes,
                                  size_t first) {
    Batch batch;
    std::vector<gpu::EpisodeView> views;
    for (size_t e = first; e < episodes.size(); ++e) {
        const EpisodeOptions& episode = *episodes[e];
        const int count = static_cast<int>(episode.tokens.size());
        if (e > first && batch.tokens + count > shape_.rows)
            break;
        for (int32_t token : episode.tokens)
            if (token < 0 || token >= hyper_.vocabulary)
                throw Error("internal", "Token " + std::to_string(token) + " is not in the model's vocabulary.");
        batch.segments.push_back(unfilled_segment(hyper_, heads, episode));
        batch.tokens += count;
        const UnfilledSegment& made = batch.segments.back();
        const SegmentShape& shape = made.segment->shape();
        views.push_back(
            {episode.tokens.data(), count, made.tokens.data(), shape.tokens, made.segment->unit_starts(), shape.units});
    }
    batch.layout = std::make_unique<gpu::EpisodeBatch>(
        views.data(), views.size(),
        gpu::EpisodeRule{shape_.window, shape_.sinks, static_cast<int32_t>(episodes[first]->format), shape_.head_size,
                         static_cast<int32_t>(heads.keys.size())});
    const LongreadBatch view = batch.layout->view();
    if (place_.library->reader_begin(reader_, &view) != 0)
        fail();
    return batch;
}

void GpuReader::finish(Batch& batch, const RecallHeads& heads) {
    LongreadRead read{};
    if (place_.library->reader_finish(reader_, &read) != 0)
        fail();
    const size_t units = static_cast<size_t>(batch.layout->view().unit_count);
    for (size_t e = 0; e < batch.segments.size(); ++e) {
        Segment& segment = *batch.segments[e].segment;
        const SegmentShape& shape = segment.shape();
        const int32_t format = static_cast<int32_t>(shape.format);
        const size_t bytes = gpu::packed_bytes(format, shape_.head_size, shape.tokens);
        const size_t stride = gpu::packed_stride(format, shape_.head_size, shape.tokens);
        for (uint32_t k = 0; k < shape.key_heads; ++k)
            std::memcpy(segment.writable_keys(k), read.keys + batch.layout->keys_of(e) + k * stride, bytes);
        for (size_t head = 0; read.means && head < heads.heads.size(); ++head) {
            const size_t from = head * units + batch.layout->first_unit_of(e);
            std::copy_n(read.means + from, shape.units, segment.writable_means() + head * shape.units);
            std::copy_n(read.deviations + from, shape.units, segment.writable_deviations() + head * shape.units);
        }
    }
}

std::vector<std::shared_ptr<Segment>> GpuReader::read(const RecallHeads& heads,
                                                      const std::vector<const EpisodeOptions*>& episodes,
                                                      const Cancel& cancel, const std::function<void(int)>& progress) {
    std::vector<std::shared_ptr<Segment>> segments;
    if (episodes.empty())
        return segments;
    tell_recall(heads, *episodes.front());
    // While one batch is read the next is laid out and sent, and what came of the one before is put into its segments.
    std::vector<Batch> begun; // at most two
    size_t next = 0;
    int read = 0;
    try {
        while (next < episodes.size() || !begun.empty()) {
            if (next < episodes.size() && begun.size() < 2) {
                cancel.check();
                begun.push_back(begin(heads, episodes, next));
                next += begun.back().segments.size();
                continue;
            }
            finish(begun.front(), heads);
            for (UnfilledSegment& made : begun.front().segments)
                segments.push_back(std::move(made.segment));
            read += begun.front().tokens;
            begun.erase(begun.begin());
            progress(read);
        }
    } catch (...) {
        // What is on its way must come before anything else is sent.
        LongreadRead left{};
        for (size_t i = 0; i < begun.size(); ++i)
            if (place_.library->reader_finish(reader_, &left) != 0)
                fail();
        throw;
    }
    return segments;
}

} // namespace longread
