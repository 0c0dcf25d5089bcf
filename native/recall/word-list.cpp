#include "recall/word-list.h"
#include <algorithm>
#include <cmath>
#include <thread>

namespace longread {
namespace {

__attribute__((target_clones("avx2", "default"))) int32_t product(const int8_t* a, const int8_t* b, size_t size) {
    int32_t sum = 0;
    for (size_t i = 0; i < size; ++i)
        sum += static_cast<int16_t>(a[i]) * static_cast<int16_t>(b[i]);
    return sum;
}

} // namespace

void WordList::add(const float* vectors, size_t words, size_t size) {
    size_ = size_ == 0 ? size : size_;
    numbers_.reserve(numbers_.size() + words * size);
    for (size_t i = 0; i < words * size; ++i)
        // As Math.round does: halves go up.
        numbers_.push_back(
            static_cast<int8_t>(std::clamp(std::floor(static_cast<double>(vectors[i]) * scale + 0.5), -127.0, 127.0)));
}

std::vector<std::vector<NearWord>> WordList::near(const std::vector<int32_t>& asked, const std::vector<int32_t>& places,
                                                  double least, size_t most, int threads) const {
    std::vector<std::vector<NearWord>> found(asked.size());
    // Each thread goes through a part of the words for all that is asked, so that a vector is fetched once.
    const size_t lanes = std::clamp<size_t>(words() / 4096, 1, static_cast<size_t>(std::max(1, threads)));
    std::vector<std::vector<std::vector<NearWord>>> parts(lanes, found);
    const auto run = [&](size_t lane) {
        for (size_t w = words() * lane / lanes; w < words() * (lane + 1) / lanes; ++w) {
            if (places[w] < 0)
                continue;
            for (size_t a = 0; a < asked.size(); ++a) {
                const size_t own = static_cast<size_t>(asked[a]);
                const int32_t near = own == w ? 0 : product(&numbers_[own * size_], &numbers_[w * size_], size_);
                if (own != w && near >= least)
                    parts[lane][a].push_back({static_cast<int32_t>(w), near});
            }
        }
    };
    std::vector<std::thread> workers;
    for (size_t lane = 1; lane < lanes; ++lane)
        workers.emplace_back(run, lane);
    run(0);
    for (std::thread& worker : workers)
        worker.join();
    for (size_t a = 0; a < asked.size(); ++a) {
        for (const auto& part : parts)
            found[a].insert(found[a].end(), part[a].begin(), part[a].end());
        const auto nearer = [&](const NearWord& left, const NearWord& right) {
            return left.product != right.product
                       ? left.product > right.product
                       : places[static_cast<size_t>(left.word)] < places[static_cast<size_t>(right.word)];
        };
        const size_t kept = std::min(most, found[a].size());
        std::partial_sort(found[a].begin(), found[a].begin() + static_cast<ptrdiff_t>(kept), found[a].end(), nearer);
        found[a].resize(kept);
    }
    return found;
}

} // namespace longread
