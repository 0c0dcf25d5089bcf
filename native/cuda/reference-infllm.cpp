#include "cuda/reference-infllm.h"
#include <algorithm>
#include <cmath>
#include <numeric>

namespace longread::gpu::reference {

void stream_attention(const StreamView& v, float* to, float* received, int capacity) {
    struct Seen {
        const float *key, *value;
        int slot; // -1: far
        double logit;
    };
    const size_t size = static_cast<size_t>(v.head_size), width = static_cast<size_t>(v.key_heads) * size;
    for (int row = 0; row < v.rows; ++row)
        for (int head = 0; head < v.heads; ++head) {
            const int at = v.slot + row;
            const size_t query =
                (static_cast<size_t>(row) * static_cast<size_t>(v.heads) + static_cast<size_t>(head)) * size;
            const size_t part = static_cast<size_t>(head / (v.heads / v.key_heads)) * size;
            std::vector<Seen> seen;
            for (int j = std::max(0, at - v.n_local + 1); j <= at; ++j) {
                const size_t from = static_cast<size_t>(j) * width + part;
                seen.push_back({v.rotated + from, v.values + from, j, 0});
            }
            for (int f = 0; f < v.total; ++f) {
                const size_t from = static_cast<size_t>(f) * width + part;
                if (f < v.fixed || v.start + f - v.fixed <= at - v.n_local)
                    seen.push_back({v.far_keys + from, v.far_values + from, -1, 0});
            }
            double most = -INFINITY, sum = 0;
            for (Seen& one : seen) {
                for (size_t d = 0; d < size; ++d)
                    one.logit += static_cast<double>((one.slot < 0 ? v.far : v.near)[query + d]) * one.key[d];
                one.logit *= v.scale;
                most = std::max(most, one.logit);
            }
            for (const Seen& one : seen)
                sum += std::exp(one.logit - most);
            std::vector<double> mixed(size);
            for (const Seen& one : seen) {
                const double share = std::exp(one.logit - most) / sum;
                for (size_t d = 0; d < size; ++d)
                    mixed[d] += share * one.value[d];
                if (one.slot >= 0)
                    received[static_cast<size_t>(head) * static_cast<size_t>(capacity) +
                             static_cast<size_t>(one.slot)] += static_cast<float>(share);
            }
            for (size_t d = 0; d < size; ++d)
                to[query + d] = static_cast<float>(mixed[d]);
        }
}

std::vector<int32_t> choose(const std::vector<float>& scores, const std::vector<int>& lengths, int tokens, int most) {
    std::vector<int32_t> order(scores.size()), chosen;
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
        return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
    });
    for (const int32_t unit : order) {
        const int length = lengths[static_cast<size_t>(unit)];
        if (static_cast<int>(chosen.size()) < most && length <= tokens) {
            tokens -= length;
            chosen.push_back(unit);
        }
    }
    std::sort(chosen.begin(), chosen.end());
    return chosen;
}

std::vector<int> PlaceList::take(const std::vector<int32_t>& units, int clock, std::vector<int32_t>& fetched) {
    std::vector<int> places;
    for (const int32_t unit : units) {
        const auto found = std::find(units_.begin(), units_.end(), unit);
        places.push_back(found == units_.end() ? -1 : static_cast<int>(found - units_.begin()));
        if (places.back() >= 0)
            used_[static_cast<size_t>(places.back())] = clock;
    }
    for (size_t i = 0; i < units.size(); ++i) {
        if (places[i] >= 0)
            continue;
        fetched.push_back(units[i]);
        const auto oldest = std::min_element(used_.begin(), used_.end());
        if (*oldest == clock)
            continue;
        places[i] = static_cast<int>(oldest - used_.begin());
        *oldest = clock;
        units_[static_cast<size_t>(places[i])] = units[i];
    }
    return places;
}

void represent(const float* keys, const float* received, int tokens, int width, int head_size, int repr_topk,
               float* to) {
    std::vector<int> order(static_cast<size_t>(tokens));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return received[a] > received[b]; });
    const int count = std::min(repr_topk, tokens);
    for (int d = 0; d < head_size; ++d) {
        double sum = 0;
        for (int i = 0; i < count; ++i)
            sum += keys[static_cast<size_t>(order[static_cast<size_t>(i)]) * static_cast<size_t>(width) + d];
        to[d] = static_cast<float>(sum / count);
    }
}

} // namespace longread::gpu::reference
