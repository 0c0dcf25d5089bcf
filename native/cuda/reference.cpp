#include "cuda/reference.h"
#include "cuda/half.h"
#include <algorithm>

namespace longread::gpu::reference {
namespace {

size_t row_of(const Heads& h) { return static_cast<size_t>(h.heads + 2 * h.key_heads) * h.head_size; }

// The two numbers of a head that are rotated together.
void pair_of(const Heads& h, int pair, int& a, int& b) {
    a = h.neox ? pair : 2 * pair;
    b = h.neox ? pair + h.head_size / 2 : 2 * pair + 1;
}

void turn(float* head, const Heads& h, int position, float length) {
    for (int pair = 0; pair < h.head_size / 2; ++pair) {
        int a, b;
        pair_of(h, pair, a, b);
        const float* t = h.turns + (static_cast<size_t>(position) * (h.head_size / 2) + pair) * 2;
        const float x = head[a], y = head[b];
        head[a] = length * (x * t[0] - y * t[1]);
        head[b] = length * (x * t[1] + y * t[0]);
    }
}

} // namespace

void norm(const float* x, const float* weight, float* to, int rows, int width, float epsilon) {
    for (int r = 0; r < rows; ++r, x += width, to += width) {
        double squares = 0;
        for (int i = 0; i < width; ++i)
            squares += static_cast<double>(x[i]) * x[i];
        const double scale = 1.0 / std::sqrt(squares / width + epsilon);
        for (int i = 0; i < width; ++i)
            to[i] = static_cast<float>(x[i] * scale * weight[i]);
    }
}

void linear(const float* x, const float* weight, float* to, int rows, int in, int out, bool add) {
    for (int r = 0; r < rows; ++r)
        for (int o = 0; o < out; ++o) {
            double sum = add ? to[static_cast<size_t>(r) * out + o] : 0.0;
            for (int i = 0; i < in; ++i)
                sum +=
                    static_cast<double>(x[static_cast<size_t>(r) * in + i]) * weight[static_cast<size_t>(o) * in + i];
            to[static_cast<size_t>(r) * out + o] = static_cast<float>(sum);
        }
}

void gate(const float* gate_up, float* to, int rows, int width) {
    for (int r = 0; r < rows; ++r, gate_up += 2 * width, to += width)
        for (int i = 0; i < width; ++i)
            to[i] = static_cast<float>(gate_up[i] / (1.0 + std::exp(-static_cast<double>(gate_up[i]))) *
                                       gate_up[width + i]);
}

void own_head(const float* row, const Heads& h, int head, float* to) {
    const size_t at = static_cast<size_t>(head) * h.head_size;
    double squares = 0;
    for (int d = 0; d < h.head_size; ++d) {
        to[d] = row[at + d] + (h.bias ? h.bias[at + d] : 0.0f);
        squares += static_cast<double>(to[d]) * to[d];
    }
    const float* weight = head < h.heads ? h.query_norm : head < h.heads + h.key_heads ? h.key_norm : nullptr;
    if (weight)
        for (int d = 0; d < h.head_size; ++d)
            to[d] = static_cast<float>(to[d] / std::sqrt(squares / h.head_size + h.epsilon) * weight[d]);
}

void rotate(float* qkv, const int32_t* positions, int rows, const Heads& h) {
    std::vector<float> head(static_cast<size_t>(h.head_size));
    for (int r = 0; r < rows; ++r, qkv += row_of(h))
        for (int i = 0; i < h.heads + 2 * h.key_heads; ++i) {
            own_head(qkv, h, i, head.data());
            if (i < h.heads + h.key_heads)
                turn(head.data(), h, positions[r], 1.0f);
            std::copy(head.begin(), head.end(), qkv + static_cast<size_t>(i) * h.head_size);
        }
}

void shift_sinks(const float* qkv, const LongreadShift* shifts, int count, int sinks, float length, const Heads& h,
                 float* shifted) {
    for (int s = 0; s < count; ++s)
        for (int sink = 0; sink < sinks; ++sink)
            for (int k = 0; k < h.key_heads; ++k, shifted += h.head_size) {
                const float* key = qkv + (static_cast<size_t>(shifts[s].episode) + sink) * row_of(h) +
                                   static_cast<size_t>(h.heads + k) * h.head_size;
                std::copy(key, key + h.head_size, shifted);
                turn(shifted, h, shifts[s].shift, length);
            }
}

void attention(const float* qkv, const float* shifted, const LongreadTile* tiles, int count, int window, int sinks,
               float scale, const Heads& h, float* to) {
    const size_t row = row_of(h), size = static_cast<size_t>(h.head_size);
    std::vector<double> products, sum(size);
    for (int t = 0; t < count; ++t)
        for (int r = tiles[t].first_row; r < tiles[t].first_row + tiles[t].rows; ++r)
            for (int head = 0; head < h.heads; ++head) {
                const int key_head = head / (h.heads / h.key_heads), at = r - tiles[t].episode;
                const float* query = qkv + r * row + head * size;
                const auto sees = [&](int p) { return p > at - window || p < sinks; };
                products.assign(static_cast<size_t>(at) + 1, -INFINITY);
                for (int p = 0; p <= at; ++p) {
                    if (!sees(p))
                        continue;
                    const bool moved = p <= at - window && tiles[t].shifted >= 0;
                    const float* key =
                        moved
                            ? shifted +
                                  ((static_cast<size_t>(tiles[t].shifted) * sinks + p) * h.key_heads + key_head) * size
                            : qkv + (tiles[t].episode + p) * row + (h.heads + key_head) * size;
                    double product = 0;
                    for (size_t d = 0; d < size; ++d)
                        product += static_cast<double>(query[d]) * key[d];
                    products[static_cast<size_t>(p)] = product * scale;
                }
                const double most = *std::max_element(products.begin(), products.end());
                double all = 0;
                std::fill(sum.begin(), sum.end(), 0.0);
                for (int p = 0; p <= at; ++p) {
                    if (!sees(p))
                        continue;
                    const double share = std::exp(products[static_cast<size_t>(p)] - most);
                    const float* value = qkv + (tiles[t].episode + p) * row + (h.heads + h.key_heads + key_head) * size;
                    all += share;
                    for (size_t d = 0; d < size; ++d)
                        sum[d] += share * value[d];
                }
                for (size_t d = 0; d < size; ++d)
                    to[(static_cast<size_t>(r) * h.heads + head) * size + d] = static_cast<float>(sum[d] / all);
            }
}

void pack(const float* qkv, const int32_t* kept_rows, const LongreadGroup* groups, int count, int format, int slot,
          int key_head, const Heads& h, uint8_t* keys) {
    constexpr size_t tokens = LONGREAD_GROUP_TOKENS;
    const size_t size = static_cast<size_t>(h.head_size);
    std::vector<float> key(size);
    for (int g = 0; g < count; ++g) {
        const LongreadGroup& group = groups[g];
        uint8_t* base = keys + group.keys + group.stride * static_cast<size_t>(slot);
        uint16_t* half = reinterpret_cast<uint16_t*>(base) + group.group * size * tokens;
        float* scales = reinterpret_cast<float*>(base) + group.group * tokens;
        int8_t* bytes = reinterpret_cast<int8_t*>(base + group.padded * sizeof(float)) + group.group * size * tokens;
        for (size_t t = 0; t < tokens; ++t) {
            if (t < group.count)
                own_head(qkv + kept_rows[group.first + t] * row_of(h), h, h.heads + key_head, key.data());
            else
                std::fill(key.begin(), key.end(), 0.0f);
            float largest = 0;
            for (float x : key)
                largest = std::max(largest, std::fabs(x));
            const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
            if (format == LONGREAD_KEYS_Q8)
                scales[t] = largest / 127.0f;
            for (size_t d = 0; d < size; ++d) {
                if (format == LONGREAD_KEYS_Q8)
                    bytes[d * tokens + t] = static_cast<int8_t>(std::lrintf(key[d] * inverse));
                else
                    half[d * tokens + t] = to_half(key[d]);
            }
        }
    }
}

void masses(const uint8_t* keys, const LongreadUnit* units, int count, int format, int slot, int head_size,
            const float* queries, int rows, float* out) {
    constexpr size_t tokens = LONGREAD_GROUP_TOKENS;
    const size_t size = static_cast<size_t>(head_size);
    for (int u = 0; u < count; ++u) {
        const LongreadUnit& unit = units[u];
        const uint8_t* base = keys + unit.keys + unit.stride * static_cast<size_t>(slot);
        const uint16_t* half = reinterpret_cast<const uint16_t*>(base);
        const float* scales = reinterpret_cast<const float*>(base);
        const int8_t* bytes = reinterpret_cast<const int8_t*>(base + unit.padded * sizeof(float));
        for (int r = 0; r < rows; ++r) {
            double most = -INFINITY, sum = 0;
            for (uint32_t t = unit.begin; t < unit.end; ++t) {
                const size_t at = t / tokens * size * tokens + t % tokens;
                double product = 0;
                for (size_t d = 0; d < size; ++d) {
                    const float key = format == LONGREAD_KEYS_Q8 ? scales[t] * bytes[at + d * tokens]
                                                                 : from_half(half[at + d * tokens]);
                    product += static_cast<double>(key) * queries[static_cast<size_t>(r) * size + d];
                }
                const double higher = std::max(most, product);
                sum = sum * std::exp(most - higher) + std::exp(product - higher);
                most = higher;
            }
            out[static_cast<size_t>(r) * count + u] = static_cast<float>(most + std::log(sum));
        }
    }
}

void statistics(const float* masses, const int32_t* question_rows, int questions, int units, float* means,
                float* deviations) {
    for (int u = 0; u < units; ++u) {
        double sum = 0, squares = 0;
        size_t row = 0;
        for (int q = 0; q < questions; ++q) {
            double mean = 0;
            for (int t = 0; t < question_rows[q]; ++t)
                mean += masses[row++ * units + u];
            mean /= question_rows[q];
            sum += mean;
            squares += mean * mean;
        }
        const double mean = sum / questions;
        const bool finite = std::isfinite(mean);
        means[u] = finite ? static_cast<float>(mean) : 0.0f;
        deviations[u] = finite ? static_cast<float>(std::sqrt(std::max(0.0, squares / questions - mean * mean))) : 0.0f;
    }
}

void likelihoods(const float* logits, const float* bias, const int32_t* wanted, int rows, int vocabulary, float* out) {
    for (int r = 0; r < rows; ++r, logits += vocabulary) {
        const auto logit = [&](int v) { return static_cast<double>(logits[v]) + (bias ? bias[v] : 0.0f); };
        double most = -INFINITY, sum = 0;
        for (int v = 0; v < vocabulary; ++v)
            most = std::max(most, logit(v));
        for (int v = 0; v < vocabulary; ++v)
            sum += std::exp(logit(v) - most);
        out[r] = static_cast<float>(logit(wanted[r]) - most - std::log(sum));
    }
}

} // namespace longread::gpu::reference
