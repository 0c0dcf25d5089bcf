#include "recall/sketch.h"
#include "memory/store.h"
#include "recall/masses.h"
#include <algorithm>
#include <cmath>
#include <numeric>

namespace longread {
namespace {

using Matrix = std::vector<double>; // [n][n]

// Eigenvalues, largest first, and eigenvectors (rows of `vectors`) of a symmetric matrix, by Jacobi's rotations.
void eigen(Matrix a, int n, std::vector<double>& values, Matrix& vectors) {
    Matrix v(static_cast<size_t>(n) * n);
    for (int i = 0; i < n; ++i)
        v[i * n + i] = 1;
    for (int sweep = 0; sweep < 30; ++sweep) {
        double off = 0, all = 0;
        for (int i = 0; i < n; ++i)
            for (int j = 0; j < n; ++j)
                (i == j ? all : off) += a[i * n + j] * a[i * n + j];
        if (off <= 1e-20 * all)
            break;
        for (int p = 0; p < n; ++p)
            for (int q = p + 1; q < n; ++q) {
                if (a[p * n + q] == 0)
                    continue;
                const double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
                const double t = (theta < 0 ? -1 : 1) / (std::fabs(theta) + std::sqrt(theta * theta + 1));
                const double c = 1 / std::sqrt(t * t + 1), s = t * c;
                for (int k = 0; k < n; ++k) {
                    const double x = a[k * n + p], y = a[k * n + q];
                    a[k * n + p] = c * x - s * y;
                    a[k * n + q] = s * x + c * y;
                }
                for (int k = 0; k < n; ++k) {
                    const double x = a[p * n + k], y = a[q * n + k];
                    a[p * n + k] = c * x - s * y;
                    a[q * n + k] = s * x + c * y;
                    const double e = v[p * n + k], f = v[q * n + k];
                    v[p * n + k] = c * e - s * f;
                    v[q * n + k] = s * e + c * f;
                }
            }
    }
    std::vector<int> order(n);
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int x, int y) { return a[x * n + x] > a[y * n + y]; });
    values.clear();
    vectors.clear();
    for (int i : order) {
        values.push_back(a[i * n + i]);
        vectors.insert(vectors.end(), v.begin() + i * n, v.begin() + (i + 1) * n);
    }
}

// Mean of the outer products of rows [count][n].
Matrix second_moment(const float* rows, size_t count, int n) {
    Matrix c(static_cast<size_t>(n) * n);
    for (size_t r = 0; r < count; ++r, rows += n)
        for (int i = 0; i < n; ++i)
            for (int j = 0; j < n; ++j)
                c[i * n + j] += static_cast<double>(rows[i]) * rows[j];
    for (double& x : c)
        x /= static_cast<double>(std::max<size_t>(1, count));
    return c;
}

Matrix product(const Matrix& a, const Matrix& b, int n) {
    Matrix c(static_cast<size_t>(n) * n);
    for (int i = 0; i < n; ++i)
        for (int k = 0; k < n; ++k)
            for (int j = 0; j < n; ++j)
                c[i * n + j] += a[i * n + k] * b[k * n + j];
    return c;
}

// A symmetric, positive matrix to a power; eigenvalues under a millionth of the largest count as that.
Matrix power(const Matrix& a, int n, double exponent) {
    std::vector<double> values;
    Matrix vectors, c(static_cast<size_t>(n) * n);
    eigen(a, n, values, vectors);
    for (int e = 0; e < n; ++e) {
        const double p = std::pow(std::max(values[e], std::max(values[0], 1e-30) * 1e-6), exponent);
        for (int i = 0; i < n; ++i)
            for (int j = 0; j < n; ++j)
                c[i * n + j] += p * vectors[e * n + i] * vectors[e * n + j];
    }
    return c;
}

// Steps of a number: 16 over six deviations.
constexpr double steps = 16 / 6.0;

// The number of a token within its key head: two tokens (t and t + 8 of a group) share a byte.
size_t nibble_at(size_t token, int number) {
    return (token / group_tokens) * sketch_size * (group_tokens / 2) +
           static_cast<size_t>(number) * (group_tokens / 2) + token % (group_tokens / 2);
}

size_t bytes_of(uint32_t tokens) {
    return static_cast<size_t>(groups_of(static_cast<int>(tokens))) * sketch_size * group_tokens / 2;
}

} // namespace

size_t BankRows::rows() const { return std::accumulate(tokens.begin(), tokens.end(), size_t{0}); }

SketchBasis::SketchBasis(const RecallHeads& heads, int head_size, const std::vector<std::vector<float>>& samples,
                         const BankRows& bank)
    : head_size_(head_size), maps_(samples.size()) {
    const int n = head_size;
    const int kept = std::min(n, sketch_size);
    const size_t rows = bank.rows();
    for (size_t k = 0; k < samples.size(); ++k) {
        std::vector<float> own;
        for (size_t h = 0; h < heads.heads.size(); ++h)
            if (heads.heads[h].key_slot == static_cast<int>(k))
                own.insert(own.end(), bank.queries.begin() + static_cast<ptrdiff_t>(h * rows * n),
                           bank.queries.begin() + static_cast<ptrdiff_t>((h + 1) * rows * n));
        const size_t count = samples[k].size() / n;
        std::vector<double> mean(n);
        for (size_t i = 0; i < samples[k].size(); ++i)
            mean[i % n] += samples[k][i] / static_cast<double>(std::max<size_t>(1, count));
        std::vector<float> centred(samples[k]);
        for (size_t i = 0; i < centred.size(); ++i)
            centred[i] -= static_cast<float>(mean[i % n]);
        const Matrix of_queries = second_moment(own.data(), own.size() / n, n);
        const Matrix root = power(of_queries, n, 0.5), inverse = power(of_queries, n, -0.5);
        std::vector<double> values;
        Matrix vectors;
        eigen(product(product(root, second_moment(centred.data(), count, n), n), root, n), n, values, vectors);
        Maps& maps = maps_[k];
        maps.keys.resize(static_cast<size_t>(sketch_size) * n);
        maps.queries.resize(static_cast<size_t>(sketch_size) * n);
        maps.offset.resize(sketch_size);
        for (int r = 0; r < kept; ++r) {
            // The variance of this number over keys is its eigenvalue.
            const double step = std::sqrt(std::max(values[r], 1e-12)) / steps;
            for (int i = 0; i < n; ++i) {
                double down = 0, up = 0;
                for (int j = 0; j < n; ++j) {
                    down += vectors[r * n + j] * root[j * n + i];
                    up += vectors[r * n + j] * inverse[j * n + i];
                }
                maps.keys[r * n + i] = static_cast<float>(down / step);
                maps.queries[r * n + i] = static_cast<float>(up * step);
                maps.offset[r] -= static_cast<float>(down / step * mean[i]);
            }
        }
    }
}

void SketchBasis::key(size_t key_head, const float* key, int8_t* to) const {
    const Maps& maps = maps_[key_head];
    for (int r = 0; r < sketch_size; ++r) {
        float sum = maps.offset[r];
        for (int i = 0; i < head_size_; ++i)
            sum += maps.keys[r * head_size_ + i] * key[i];
        to[r] = static_cast<int8_t>(std::clamp(std::floor(sum), -8.0f, 7.0f));
    }
}

void SketchBasis::queries(size_t key_head, const float* queries, size_t rows, float* to) const {
    const Maps& maps = maps_[key_head];
    for (size_t row = 0; row < rows; ++row)
        for (int r = 0; r < sketch_size; ++r) {
            float sum = 0;
            for (int i = 0; i < head_size_; ++i)
                sum += maps.queries[r * head_size_ + i] * queries[row * head_size_ + i];
            to[row * sketch_size + r] = sum;
        }
}

void Sketch::masses(const Segment& segment, uint32_t key_head, const float* queries, int rows, float* out,
                    size_t out_stride) const {
    const SegmentShape& shape = segment.shape();
    const size_t size = bytes_of(shape.tokens);
    const uint8_t* from = keys.data() + size * key_head;
    // Unpacked to 8-bit keys of the size of a sketch: twice the number and one, for the middle of its step.
    thread_local std::vector<int8_t> bytes;
    thread_local std::vector<float> scales;
    bytes.resize(size * 2);
    scales.assign(static_cast<size_t>(groups_of(static_cast<int>(shape.tokens))) * group_tokens, 0.5f);
    constexpr size_t half = group_tokens / 2;
    for (size_t run = 0; run < size / half; ++run)
        for (size_t i = 0; i < half; ++i) {
            const uint8_t both = from[run * half + i];
            bytes[run * group_tokens + i] = static_cast<int8_t>(2 * (both & 15) - 15);
            bytes[run * group_tokens + half + i] = static_cast<int8_t>(2 * (both >> 4) - 15);
        }
    const KeyView view{KeyFormat::q8, sketch_size,  static_cast<int>(shape.tokens),
                       nullptr,       bytes.data(), scales.data()};
    const uint32_t* starts = segment.unit_starts();
    for (uint32_t u = 0; u < shape.units; ++u)
        unit_masses(view, static_cast<int>(starts[u]), static_cast<int>(starts[u + 1]), queries, rows, out + u,
                    out_stride);
}

Sketch Sketch::of(const Segment& segment, const RecallHeads& heads, const SketchBasis& basis, const BankRows& bank) {
    const SegmentShape& shape = segment.shape();
    const size_t size = bytes_of(shape.tokens), rows = bank.rows();
    const int n = static_cast<int>(shape.head_size);
    Sketch sketch;
    sketch.keys.resize(size * shape.key_heads);
    std::vector<float> key(n);
    for (uint32_t k = 0; k < shape.key_heads; ++k) {
        const KeyView keys = segment.keys(k);
        for (int t = 0; t < keys.tokens; ++t) {
            read_key(keys, t, key.data());
            int8_t numbers[sketch_size];
            basis.key(k, key.data(), numbers);
            for (int r = 0; r < sketch_size; ++r)
                sketch.keys[k * size + nibble_at(static_cast<size_t>(t), r)] |=
                    static_cast<uint8_t>((numbers[r] + 8) << (t % group_tokens < group_tokens / 2 ? 0 : 4));
        }
    }
    sketch.bank_means.resize(size_t{shape.heads} * shape.units);
    std::vector<float> queries(rows * sketch_size), masses(rows * shape.units);
    for (uint32_t h = 0; h < shape.heads; ++h) {
        const size_t slot = static_cast<size_t>(heads.heads[h].key_slot);
        basis.queries(slot, bank.queries.data() + h * rows * n, rows, queries.data());
        sketch.masses(segment, static_cast<uint32_t>(slot), queries.data(), static_cast<int>(rows), masses.data(),
                      shape.units);
        for (uint32_t u = 0; u < shape.units; ++u) {
            double sum = 0;
            size_t row = 0;
            for (uint32_t tokens : bank.tokens)
                for (uint32_t t = 0; t < tokens; ++t)
                    sum += masses[row++ * shape.units + u] / tokens;
            sketch.bank_means[h * size_t{shape.units} + u] =
                static_cast<float>(sum / static_cast<double>(bank.tokens.size()));
        }
    }
    return sketch;
}

} // namespace longread
