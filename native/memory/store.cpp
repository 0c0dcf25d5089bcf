#include "memory/store.h"
#include "recall/masses.h"
#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>
#include <utility>

namespace longread {

RecallHeads RecallHeads::of(const Hyper& hyper, const std::vector<std::pair<int, int>>& heads) {
    RecallHeads result;
    const int group = hyper.heads / hyper.key_heads;
    for (const auto& [layer, head] : heads) {
        if (layer < 0 || layer >= hyper.layers || head < 0 || head >= hyper.heads)
            throw Error("usage", "The model has no head " + std::to_string(head) + " in layer " +
                                     std::to_string(layer) + "; the profile belongs to another model.");
        result.keys.emplace_back(layer, head / group);
    }
    std::sort(result.keys.begin(), result.keys.end());
    result.keys.erase(std::unique(result.keys.begin(), result.keys.end()), result.keys.end());
    for (const auto& [layer, head] : heads) {
        const auto at = std::lower_bound(result.keys.begin(), result.keys.end(), std::make_pair(layer, head / group));
        result.heads.push_back({layer, head, static_cast<int>(at - result.keys.begin())});
    }
    return result;
}

Store::Store(RecallHeads heads, int head_size, KeyFormat format)
    : heads_(std::move(heads)), head_size_(head_size), format_(format) {}

void Store::put(const std::string& file, std::shared_ptr<Segment> segment) {
    if (!fits(segment->shape()))
        throw Error("bad-segment", "What was read of " + file + " was made with another profile; it is read again.");
    std::lock_guard<std::mutex> guard(lock_);
    segments_[file] = std::move(segment);
}

void Store::remove(const std::string& file) {
    std::lock_guard<std::mutex> guard(lock_);
    segments_.erase(file);
}

std::shared_ptr<Segment> Store::get(const std::string& file) const {
    std::lock_guard<std::mutex> guard(lock_);
    const auto at = segments_.find(file);
    if (at == segments_.end())
        throw Error("usage", file + " is not held in memory.");
    return at->second;
}

size_t Store::bytes() const {
    std::lock_guard<std::mutex> guard(lock_);
    size_t bytes = 0;
    for (const auto& [file, segment] : segments_)
        bytes += segment->bytes();
    return bytes;
}

std::vector<std::string> Store::take_damaged() {
    std::lock_guard<std::mutex> guard(lock_);
    return std::exchange(damaged_, {});
}

bool Store::fits(const SegmentShape& shape) const {
    return shape.format == format_ && shape.head_size == static_cast<uint32_t>(head_size_) &&
           shape.heads == heads_.heads.size() && shape.key_heads == heads_.keys.size();
}

Scores Store::score(const std::vector<std::string>& files, const float* queries, int tokens, int threads,
                    const Cancel& cancel) const {
    std::vector<std::shared_ptr<Segment>> segments;
    std::vector<size_t> first_unit;
    size_t units = 0;
    for (const std::string& file : files) {
        segments.push_back(get(file));
        first_unit.push_back(units);
        units += segments.back()->shape().units;
    }
    const size_t heads = heads_.heads.size();
    Scores scores;
    scores.masses.resize(heads * tokens * units);
    scores.means.resize(heads * units);
    scores.deviations.resize(heads * units);

    const bool release = bytes() > resident_.load();
    // Files are handed out largest work first come, first served; each thread writes its own columns.
    std::atomic<size_t> next{0};
    std::vector<char> damaged(segments.size());
    auto work = [&] {
        for (size_t s = next++; s < segments.size() && !cancel.requested.load(std::memory_order_relaxed); s = next++) {
            const Segment& segment = *segments[s];
            if (!segment.keys_are_whole()) {
                damaged[s] = 1;
                continue;
            }
            const SegmentShape& shape = segment.shape();
            const uint32_t* starts = segment.unit_starts();
            for (size_t h = 0; h < heads; ++h) {
                const KeyView keys = segment.keys(static_cast<uint32_t>(heads_.heads[h].key_slot));
                const float* rows = queries + h * tokens * head_size_;
                for (uint32_t u = 0; u < shape.units; ++u)
                    unit_masses(keys, static_cast<int>(starts[u]), static_cast<int>(starts[u + 1]), rows, tokens,
                                scores.masses.data() + h * tokens * units + first_unit[s] + u, units);
                std::memcpy(scores.means.data() + h * units + first_unit[s], segment.bank_means() + h * shape.units,
                            shape.units * sizeof(float));
                std::memcpy(scores.deviations.data() + h * units + first_unit[s],
                            segment.bank_deviations() + h * shape.units, shape.units * sizeof(float));
            }
            if (release)
                segment.release_keys();
        }
    };
    std::vector<std::thread> workers;
    for (int t = 1; t < threads; ++t)
        workers.emplace_back(work);
    work();
    for (std::thread& worker : workers)
        worker.join();
    cancel.check();
    if (std::find(damaged.begin(), damaged.end(), 1) != damaged.end()) {
        std::lock_guard<std::mutex> guard(lock_);
        for (size_t s = 0; s < files.size(); ++s)
            if (damaged[s])
                damaged_.push_back(files[s]);
        throw Error("bad-segment", "What was kept of " + damaged_.back() + " is damaged; it is read again.");
    }
    return scores;
}

} // namespace longread
