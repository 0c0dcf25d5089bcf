#include "tests/reference-reading.h"
#include "cuda/reference.h"
#include <algorithm>

namespace longread::gpu {
namespace {

const float* data_or_null(const std::vector<float>& values) { return values.empty() ? nullptr : values.data(); }

// [row][embedding] after the layers; with `recall` no deeper than it asks for, and what it keeps into `read`.
// `products` gets what each layer multiplies to, queries, keys and values.
std::vector<float> read_layers(const ReferenceWeights& weights, const LongreadRecall* recall, const LongreadBatch& b,
                               ReferenceRead& read, std::vector<std::vector<float>>* products = nullptr) {
    const LongreadShape& s = weights.shape;
    const size_t rows = static_cast<size_t>(b.rows), width = static_cast<size_t>(s.embedding);
    const int mixed_width = s.heads * s.head_size, qkv_width = mixed_width + 2 * s.key_heads * s.head_size;
    const auto of = [&](int columns) { return std::vector<float>(rows * static_cast<size_t>(columns)); };
    std::vector<float> x = of(s.embedding), normed = x, qkv = of(qkv_width), mixed = of(mixed_width);
    std::vector<float> gate_up = of(2 * s.feed_forward), fed = of(s.feed_forward);
    std::vector<float> shifted(static_cast<size_t>(b.shift_count) * s.sinks * s.key_heads * s.head_size);
    read.keys.resize(b.key_bytes);
    for (size_t r = 0; r < rows; ++r)
        std::copy_n(weights.embedding.data() + static_cast<size_t>(b.tokens[r]) * width, width, x.data() + r * width);
    const int deepest = recall ? recall->key_layer[recall->key_slots - 1] : s.layers - 1;
    for (int l = 0; l <= deepest; ++l) {
        const ReferenceLayer& w = weights.layers[static_cast<size_t>(l)];
        const reference::Heads heads{s.heads,
                                     s.key_heads,
                                     s.head_size,
                                     s.neox != 0,
                                     s.norm_epsilon,
                                     data_or_null(w.bias),
                                     data_or_null(w.query_norm),
                                     data_or_null(w.key_norm),
                                     weights.turns.data()};
        reference::norm(x.data(), w.attention_norm.data(), normed.data(), b.rows, s.embedding, s.norm_epsilon);
        reference::linear(normed.data(), w.qkv.data(), qkv.data(), b.rows, s.embedding, qkv_width, false);
        if (products)
            products->push_back(qkv);
        for (int k = 0; recall && k < recall->key_slots; ++k)
            if (recall->key_layer[k] == l)
                reference::pack(qkv.data(), b.kept_rows, b.groups, b.group_count, recall->format, k,
                                recall->key_head[k], heads, read.keys.data());
        if (recall && l == deepest)
            break;
        reference::rotate(qkv.data(), b.positions, b.rows, heads);
        reference::shift_sinks(qkv.data(), b.shifts, b.shift_count, s.sinks, s.shift_length, heads, shifted.data());
        reference::attention(qkv.data(), shifted.data(), b.tiles, b.tile_count, s.window, s.sinks, s.attention_scale,
                             heads, mixed.data());
        reference::linear(mixed.data(), w.output.data(), x.data(), b.rows, mixed_width, s.embedding, true);
        reference::norm(x.data(), w.feed_norm.data(), normed.data(), b.rows, s.embedding, s.norm_epsilon);
        reference::linear(normed.data(), w.gate_up.data(), gate_up.data(), b.rows, s.embedding, 2 * s.feed_forward,
                          false);
        reference::gate(gate_up.data(), fed.data(), b.rows, s.feed_forward);
        reference::linear(fed.data(), w.down.data(), x.data(), b.rows, s.feed_forward, s.embedding, true);
    }
    return x;
}

} // namespace

ReferenceRead read_by_references(const ReferenceWeights& weights, const LongreadRecall& recall,
                                 const LongreadBatch& b) {
    const LongreadShape& s = weights.shape;
    ReferenceRead read;
    read_layers(weights, &recall, b, read);
    if (recall.questions == 0)
        return read;
    int asked = 0;
    for (int q = 0; q < recall.questions; ++q)
        asked += recall.question_rows[q];
    const size_t units = static_cast<size_t>(b.unit_count), heads = static_cast<size_t>(recall.heads);
    std::vector<float> masses(static_cast<size_t>(asked) * units);
    read.means.resize(heads * units);
    read.deviations.resize(heads * units);
    for (size_t head = 0; head < heads; ++head) {
        reference::masses(read.keys.data(), b.units, b.unit_count, recall.format, recall.head_slot[head], s.head_size,
                          recall.queries + head * static_cast<size_t>(asked) * s.head_size, asked, masses.data());
        reference::statistics(masses.data(), recall.question_rows, recall.questions, b.unit_count,
                              read.means.data() + head * units, read.deviations.data() + head * units);
    }
    return read;
}

std::vector<float> heads_by_references(const ReferenceWeights& weights, const LongreadBatch& batch,
                                       const std::vector<int32_t>& layers, int32_t first) {
    LongreadBatch b = batch;
    b.key_bytes = 0;
    ReferenceRead nothing;
    std::vector<std::vector<float>> products;
    read_layers(weights, nullptr, b, nothing, &products);
    std::vector<float> all;
    for (int32_t layer : layers) {
        const std::vector<float>& of = products[static_cast<size_t>(layer)];
        const size_t width = of.size() / static_cast<size_t>(batch.rows);
        all.insert(all.end(), of.begin() + static_cast<std::ptrdiff_t>(width * static_cast<size_t>(first)), of.end());
    }
    return all;
}

std::vector<float> likelihoods_by_references(const ReferenceWeights& weights, const LongreadBatch& batch,
                                             const std::vector<int32_t>& rows, const std::vector<int32_t>& wanted) {
    const LongreadShape& s = weights.shape;
    LongreadBatch b = batch;
    b.key_bytes = 0;
    ReferenceRead nothing;
    const std::vector<float> x = read_layers(weights, nullptr, b, nothing);
    const size_t width = static_cast<size_t>(s.embedding);
    const int count = static_cast<int>(rows.size());
    std::vector<float> picked, normed(rows.size() * width), logits(rows.size() * static_cast<size_t>(s.vocabulary));
    for (int32_t row : rows)
        picked.insert(picked.end(), x.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(row) * width),
                      x.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(row + 1) * width));
    reference::norm(picked.data(), weights.output_norm.data(), normed.data(), count, s.embedding, s.norm_epsilon);
    const std::vector<float>& matrix = weights.output.empty() ? weights.embedding : weights.output;
    reference::linear(normed.data(), matrix.data(), logits.data(), count, s.embedding, s.vocabulary, false);
    std::vector<float> result(rows.size());
    reference::likelihoods(logits.data(), data_or_null(weights.output_bias), wanted.data(), count, s.vocabulary,
                           result.data());
    return result;
}

} // namespace longread::gpu
