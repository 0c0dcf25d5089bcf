#include "engine/word-space.h"
#include <algorithm>
#include <cmath>

namespace longread {

namespace {

constexpr int common = 8; // directions taken away
constexpr int sample = 4096;
constexpr int rounds = 6; // of subspace iteration; a further one moves no direction by more than rounding

float dot(const float* a, const float* b, int n) {
    float sum = 0;
    for (int i = 0; i < n; ++i)
        sum += a[i] * b[i];
    return sum;
}

void add_scaled(float* to, const float* from, float by, int n) {
    for (int i = 0; i < n; ++i)
        to[i] += by * from[i];
}

// Gram-Schmidt over the rows of [rows][n]; a row that lies in the others becomes zero.
void orthonormalise(std::vector<float>& rows, int count, int n) {
    for (int r = 0; r < count; ++r) {
        float* row = rows.data() + static_cast<size_t>(r) * n;
        for (int other = 0; other < r; ++other) {
            const float* before = rows.data() + static_cast<size_t>(other) * n;
            add_scaled(row, before, -dot(row, before, n), n);
        }
        const float length = std::sqrt(dot(row, row, n));
        const float scale = length > 1e-6f ? 1 / length : 0;
        for (int i = 0; i < n; ++i)
            row[i] *= scale;
    }
}

} // namespace

WordSpace::WordSpace(const Model& model) : model_(model) {
    const int n = model.hyper.embedding;
    const int rows = std::min(sample, model.hyper.vocabulary);
    std::vector<std::vector<float>> taken(rows, std::vector<float>(n, 0.0f));
    mean_.assign(n, 0.0f);
    for (int r = 0; r < rows; ++r) {
        add(static_cast<int32_t>(static_cast<int64_t>(r) * model.hyper.vocabulary / rows), taken[r]);
        add_scaled(mean_.data(), taken[r].data(), 1.0f / rows, n);
    }
    for (auto& row : taken)
        add_scaled(row.data(), mean_.data(), -1, n);
    // Subspace iteration: each round multiplies the directions by the covariance of the sample. The first ones are rows
    // of the sample, so that the same model gives the same directions.
    directions_.assign(static_cast<size_t>(common) * n, 0.0f);
    for (int d = 0; d < common; ++d)
        std::copy_n(taken[static_cast<size_t>(d) * rows / common].data(), n,
                    directions_.data() + static_cast<size_t>(d) * n);
    orthonormalise(directions_, common, n);
    for (int round = 0; round < rounds; ++round) {
        std::vector<float> next(directions_.size(), 0.0f);
        for (const auto& row : taken)
            for (int d = 0; d < common; ++d) {
                const size_t at = static_cast<size_t>(d) * n;
                add_scaled(next.data() + at, row.data(), dot(row.data(), directions_.data() + at, n), n);
            }
        orthonormalise(next, common, n);
        directions_ = std::move(next);
    }
}

void WordSpace::add(int32_t token, std::vector<float>& sum) const {
    const ggml_tensor* embedding = model_.token_embedding;
    const size_t bytes = ggml_row_size(embedding->type, embedding->ne[0]);
    std::vector<uint8_t> raw(bytes);
    ggml_backend_tensor_get(embedding, raw.data(), static_cast<size_t>(token) * embedding->nb[1], bytes);
    std::vector<float> row(sum.size());
    if (embedding->type == GGML_TYPE_F32)
        std::copy_n(reinterpret_cast<const float*>(raw.data()), row.size(), row.data());
    else
        ggml_get_type_traits(embedding->type)->to_float(raw.data(), row.data(), static_cast<int64_t>(row.size()));
    add_scaled(sum.data(), row.data(), 1, static_cast<int>(row.size()));
}

void WordSpace::take_common(std::vector<float>& vector) const {
    const int n = static_cast<int>(vector.size());
    add_scaled(vector.data(), mean_.data(), -1, n);
    for (int d = 0; d < common; ++d) {
        const float* direction = directions_.data() + static_cast<size_t>(d) * n;
        add_scaled(vector.data(), direction, -dot(vector.data(), direction, n), n);
    }
}

std::vector<float> WordSpace::vectors(const std::vector<int32_t>& tokens, const std::vector<uint32_t>& counts) const {
    const int n = model_.hyper.embedding;
    size_t all = 0;
    for (uint32_t count : counts)
        all += count;
    if (all != tokens.size())
        throw Error("usage", "The tokens do not fit the counts.");
    for (int32_t token : tokens)
        if (token < 0 || token >= model_.hyper.vocabulary)
            throw Error("usage", "A token is not in the vocabulary.");
    std::vector<float> result(counts.size() * n, 0.0f);
    size_t at = 0;
    for (size_t word = 0; word < counts.size(); ++word) {
        if (counts[word] == 0)
            continue;
        std::vector<float> vector(n, 0.0f);
        for (uint32_t i = 0; i < counts[word]; ++i)
            add(tokens[at++], vector);
        for (float& value : vector)
            value /= static_cast<float>(counts[word]);
        take_common(vector);
        const float length = std::sqrt(dot(vector.data(), vector.data(), n));
        if (length > 1e-6f)
            for (int i = 0; i < n; ++i)
                result[word * n + i] = vector[i] / length;
    }
    return result;
}

} // namespace longread
