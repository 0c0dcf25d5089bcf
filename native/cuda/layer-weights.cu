#include "cuda/eights.cuh"
#include "cuda/layer-weights.cuh"
#include <algorithm>

namespace longread::gpu {
namespace {

size_t number(int32_t count) { return static_cast<size_t>(count); }

size_t mixed_width(const LongreadShape& s) { return number(s.heads) * number(s.head_size); }
size_t all_heads(const LongreadShape& s) { return mixed_width(s) + 2 * number(s.key_heads) * number(s.head_size); }

// Numbers that are multiplied at once.
size_t most_eights(const LongreadShape& s, int rows) {
    return std::max(number(rows) * std::max(number(s.embedding), mixed_width(s)),
                    number(std::min(rows, s.rows)) * number(s.feed_forward));
}

} // namespace

void Weights::upload(const uint16_t* from, size_t rows, size_t width, bool eight, const Stream& stream) {
    const __half* numbers = reinterpret_cast<const __half*>(from);
    if (!eight)
        return halves.upload(numbers, rows * width);
    Buffer<__half> whole;
    whole.upload(numbers, rows * width);
    eights.reserve(rows * width);
    scales.reserve(rows);
    to_eights(whole.data(), eights.data(), scales.data(), static_cast<int>(rows), static_cast<int>(width), stream);
    stream.wait();
}

void LayerWeights::upload(const LongreadLayer& from, const LongreadShape& s, const Stream& stream) {
    const size_t width = number(s.embedding), feed = number(s.feed_forward), size = number(s.head_size);
    const bool eight = s.eight != 0;
    qkv.upload(from.qkv, all_heads(s), width, eight, stream);
    output.upload(from.output, width, mixed_width(s), eight, stream);
    gate_up.upload(from.gate_up, 2 * feed, width, eight, stream);
    attention_norm.upload(from.attention_norm, width);
    feed_norm.upload(from.feed_norm, width);
    if (from.qkv_bias)
        qkv_bias.upload(from.qkv_bias, all_heads(s));
    if (from.query_norm)
        query_norm.upload(from.query_norm, size);
    if (from.key_norm)
        key_norm.upload(from.key_norm, size);
    down.upload(from.down, width, feed, eight, stream); // last: there() tells by it that all is there
}

Heads LayerWeights::heads(const LongreadShape& s, const float* turns) const {
    return {s.heads,         s.key_heads,       s.neox != 0,     s.norm_epsilon,
            qkv_bias.data(), query_norm.data(), key_norm.data(), turns};
}

void Rows::reserve(const LongreadShape& s, int rows) {
    if (!eight_)
        return;
    eights_.reserve(most_eights(s, rows));
    scales_.reserve(number(rows));
}

Factor Rows::of(const __half* x, int rows, int width, cudaStream_t stream) {
    if (!eight_)
        return x;
    to_eights(x, eights_.data(), scales_.data(), rows, width, stream);
    return {eights_.data(), scales_.data()};
}

LayerProducts::LayerProducts(const LongreadShape& s) {
    const int mixed = static_cast<int>(mixed_width(s)), all = static_cast<int>(all_heads(s));
    qkv = {s.embedding, all, all, false};
    output = {mixed, s.embedding, s.embedding, true};
    gate_up = {s.embedding, 2 * s.feed_forward, 2 * s.feed_forward, false};
    down = {s.feed_forward, s.embedding, s.embedding, true};
    for (Product* each : {&qkv, &output, &gate_up, &down})
        each->eight = s.eight != 0;
}

void tune_products(Linear& linear, const LongreadShape& s, const LayerWeights& w, const Rows& rows, __half* normed,
                   __half* wide, float* x, cudaStream_t stream) {
    const LayerProducts products(s);
    const auto tune = [&](const Product& product, const __half* from, const Weights& weights, void* y) {
        linear.tune(product, rows.any(from), weights.from(0, 0), y, s.rows, stream);
    };
    tune(products.qkv, normed, w.qkv, wide);
    tune(products.output, wide, w.output, x);
    tune(products.gate_up, normed, w.gate_up, wide);
    tune(products.down, wide, w.down, x);
}

size_t wide_halves(const LongreadShape& s, int rows) {
    return std::max(number(rows) * (mixed_width(s) + all_heads(s)),
                    number(std::min(rows, s.rows)) * 3 * number(s.feed_forward));
}

uint64_t weight_bytes(const LongreadShape& s) {
    const size_t layer = number(s.embedding) * (all_heads(s) + mixed_width(s) + 3 * number(s.feed_forward));
    return (s.eight ? 1 : 2) * layer * number(s.layers) + 2 * number(s.embedding) * number(s.vocabulary);
}

uint64_t row_bytes(const LongreadShape& s, int rows) {
    return number(rows) * number(s.embedding) * (sizeof(float) + 2) + 2 * wide_halves(s, rows) +
           (s.eight ? most_eights(s, rows) : 0);
}

} // namespace longread::gpu
