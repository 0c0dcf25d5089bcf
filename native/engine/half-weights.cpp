#include "engine/half-weights.h"
#include "engine/rope-turns.h"
#include <cstring>
#include <thread>

namespace longread {
namespace {

// A matrix, [out][in], or a vector, to where it is wanted.
template <typename To> void convert(const ggml_tensor* tensor, int threads, To* to) {
    std::vector<char> raw(ggml_nbytes(tensor));
    ggml_backend_tensor_get(tensor, raw.data(), 0, raw.size());
    const int64_t columns = tensor->ne[0], rows = ggml_nrows(tensor);
    const size_t row_bytes = ggml_row_size(tensor->type, columns);
    std::vector<std::thread> workers;
    for (int t = 0; t < threads; ++t)
        workers.emplace_back([=, &raw] {
            std::vector<float> row(static_cast<size_t>(columns));
            for (int64_t r = rows * t / threads; r < rows * (t + 1) / threads; ++r) {
                const char* from = raw.data() + static_cast<size_t>(r) * row_bytes;
                if (tensor->type == GGML_TYPE_F32)
                    std::memcpy(row.data(), from, row_bytes);
                else
                    ggml_get_type_traits(tensor->type)->to_float(from, row.data(), columns);
                if constexpr (sizeof(To) == 2)
                    ggml_fp32_to_fp16_row(row.data(), to + r * columns, columns);
                else
                    std::copy(row.begin(), row.end(), to + r * columns);
            }
        });
    for (std::thread& worker : workers)
        worker.join();
}

template <typename To> std::vector<To> joined(std::initializer_list<const ggml_tensor*> parts, int threads) {
    size_t count = 0, at = 0;
    for (const ggml_tensor* part : parts)
        count += part ? static_cast<size_t>(ggml_nelements(part)) : 0;
    std::vector<To> all(count);
    for (const ggml_tensor* part : parts)
        if (part) {
            convert(part, threads, all.data() + at);
            at += static_cast<size_t>(ggml_nelements(part));
        }
    return all;
}

} // namespace

std::vector<uint16_t> halves_of(std::initializer_list<const ggml_tensor*> parts, int threads) {
    return joined<uint16_t>(parts, threads);
}

std::vector<float> floats_of(std::initializer_list<const ggml_tensor*> parts) { return joined<float>(parts, 1); }

HalfStart::HalfStart(const Model& model, int positions)
    : rope_factors(floats_of({model.rope_factors})),
      turns(rope_turns(model.hyper, model.hyper.rope, rope_factors.empty() ? nullptr : rope_factors.data(), positions)),
      embedding(halves_of({model.token_embedding}, model.backend->threads())) {}

HalfLayer::HalfLayer(const Layer& from, int threads)
    : qkv(halves_of({from.wq, from.wk, from.wv}, threads)), output(halves_of({from.wo}, threads)),
      gate_up(halves_of({from.gate, from.up}, threads)), down(halves_of({from.down}, threads)),
      attention_norm(floats_of({from.attn_norm})), feed_norm(floats_of({from.ffn_norm})),
      qkv_bias(floats_of({from.bq, from.bk, from.bv})), query_norm(floats_of({from.q_norm})),
      key_norm(floats_of({from.k_norm})) {}

LongreadLayer HalfLayer::view() const {
    const auto data = [](const std::vector<float>& values) { return values.empty() ? nullptr : values.data(); };
    return {qkv.data(),       output.data(),  gate_up.data(),   down.data(),   attention_norm.data(),
            feed_norm.data(), data(qkv_bias), data(query_norm), data(key_norm)};
}

} // namespace longread
