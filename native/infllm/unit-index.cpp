#include "infllm/unit-index.h"
#include <algorithm>
#include <numeric>

namespace longread {

void UnitIndex::add(int tokens, int key_heads, const float* keys, const float* received, size_t stride, int repr_topk) {
    const int taken = std::min(repr_topk, tokens);
    const size_t width = static_cast<size_t>(key_heads) * head_size_;
    std::vector<int> order(static_cast<size_t>(tokens));
    std::vector<float> mean(static_cast<size_t>(heads_) * head_size_);
    for (int h = 0; h < heads_; ++h) {
        const float* given = received + static_cast<size_t>(h) * stride;
        std::iota(order.begin(), order.end(), 0);
        std::partial_sort(order.begin(), order.begin() + taken, order.end(),
                          [&](int a, int b) { return given[a] != given[b] ? given[a] > given[b] : a < b; });
        float* to = mean.data() + static_cast<size_t>(h) * head_size_;
        for (int i = 0; i < taken; ++i) {
            const float* key = keys + static_cast<size_t>(order[static_cast<size_t>(i)]) * width +
                               static_cast<size_t>(h * key_heads / heads_) * head_size_;
            for (int d = 0; d < head_size_; ++d)
                to[d] += key[d] / static_cast<float>(taken);
        }
    }
    if (full_) {
        floats_.insert(floats_.end(), mean.begin(), mean.end());
    } else {
        const size_t at = halves_.size();
        halves_.resize(at + mean.size());
        ggml_fp32_to_fp16_row(mean.data(), halves_.data() + at, static_cast<int64_t>(mean.size()));
    }
    ++units_;
}

void UnitIndex::truncate(int units) {
    units_ = std::min(units_, units);
    const size_t size = static_cast<size_t>(units_) * heads_ * head_size_;
    (full_ ? floats_.resize(size) : halves_.resize(size));
}

void UnitIndex::keep(ByteWriter& to, int first) const {
    const auto from = static_cast<std::ptrdiff_t>(first) * heads_ * head_size_;
    if (full_)
        to.put_all(std::vector<float>(floats_.begin() + from, floats_.end()));
    else
        to.put_all(std::vector<ggml_fp16_t>(halves_.begin() + from, halves_.end()));
}

void UnitIndex::take(ByteReader& from, int units) {
    const auto append = [&](auto& all, const auto& more) { all.insert(all.end(), more.begin(), more.end()); };
    if (full_)
        append(floats_, from.get_all<float>());
    else
        append(halves_, from.get_all<ggml_fp16_t>());
    if ((full_ ? floats_.size() : halves_.size()) != static_cast<size_t>(units) * heads_ * head_size_)
        ByteReader::damaged();
    units_ = units;
}

void UnitIndex::score(const float* query, int first, int heads, std::vector<float>& scores) const {
    const size_t size = static_cast<size_t>(heads) * head_size_, all = static_cast<size_t>(heads_) * head_size_;
    const float* q = query + static_cast<size_t>(first) * head_size_;
    std::vector<float> row(full_ ? 0 : size);
    scores.resize(static_cast<size_t>(units_));
    for (size_t u = 0; u < scores.size(); ++u) {
        const size_t at = u * all + static_cast<size_t>(first) * head_size_;
        const float* key = full_ ? floats_.data() + at : row.data();
        if (!full_)
            ggml_fp16_to_fp32_row(halves_.data() + at, row.data(), static_cast<int64_t>(size));
        float sum = 0;
        for (size_t i = 0; i < size; ++i)
            sum += q[i] * key[i];
        scores[u] = sum;
    }
}

std::vector<int> best_units(const std::vector<float>& scores, const std::vector<int>& lengths, int tokens, int most,
                            const std::vector<Standing>& standing) {
    const auto stands = [&](int unit) {
        return standing.empty() ? Standing::may : standing[static_cast<size_t>(unit)];
    };
    std::vector<int> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    order.erase(std::remove_if(order.begin(), order.end(), [&](int unit) { return stands(unit) == Standing::never; }),
                order.end());
    std::sort(order.begin(), order.end(), [&](int a, int b) {
        if (stands(a) != stands(b))
            return stands(a) > stands(b);
        const float left = scores[static_cast<size_t>(a)], right = scores[static_cast<size_t>(b)];
        return left != right ? left > right : a < b;
    });
    std::vector<int> best;
    for (int unit : order) {
        const int length = lengths[static_cast<size_t>(unit)];
        if (static_cast<int>(best.size()) == most)
            break;
        if (length > tokens)
            continue;
        tokens -= length;
        best.push_back(unit);
    }
    std::sort(best.begin(), best.end());
    return best;
}

} // namespace longread
