#include "memory/store.h"
#include "recall/masses.h"
#include <algorithm>
#include <atomic>
#include <cstdio>
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

std::vector<Store::Part> Store::parts(const std::vector<std::string>& files, size_t& units) const {
    std::vector<Part> parts;
    units = 0;
    for (const std::string& file : files) {
        parts.push_back({get(file), units});
        units += parts.back().segment->shape().units;
    }
    return parts;
}

void Store::over(const std::vector<std::string>& files, const std::vector<Part>& parts, int threads,
                 const Cancel& cancel, const std::function<void(size_t)>& work) const {
    const bool release = bytes() > resident_.load();
    // Files are handed out first come, first served; each call writes its own columns.
    std::atomic<size_t> next{0};
    std::vector<char> damaged(parts.size());
    auto run = [&] {
        for (size_t s = next++; s < parts.size() && !cancel.requested.load(std::memory_order_relaxed); s = next++) {
            if (!parts[s].segment->keys_are_whole()) {
                damaged[s] = 1;
                continue;
            }
            work(s);
            if (release)
                parts[s].segment->release_keys();
        }
    };
    std::vector<std::thread> workers;
    for (int t = 1; t < threads; ++t)
        workers.emplace_back(run);
    run();
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
}

void Store::copy_statistics(const Part& part, size_t units, float* means, float* deviations) const {
    const size_t own = part.segment->shape().units;
    for (size_t h = 0; h < heads_.heads.size(); ++h) {
        std::copy_n(part.segment->bank_means() + h * own, own, means + h * units + part.first_unit);
        std::copy_n(part.segment->bank_deviations() + h * own, own, deviations + h * units + part.first_unit);
    }
}

bool Store::overflows() const {
    const size_t held = bytes();
    if (held <= resident_.load())
        return false;
    const auto gpu = this->gpu();
    return !gpu || !gpu->has_room(held);
}

std::shared_ptr<const Store::Arrangement> Store::arrange(const std::vector<std::string>& files) const {
    auto made = std::make_shared<Arrangement>();
    made->files = files;
    made->parts = parts(files, made->units);
    made->means.resize(heads_.heads.size() * made->units);
    made->deviations.resize(heads_.heads.size() * made->units);
    for (const Part& part : made->parts)
        copy_statistics(part, made->units, made->means.data(), made->deviations.data());
    return made;
}

void Store::use_gpu(const gpu::Place& place) {
    std::vector<int32_t> head_slot;
    for (const RecallHead& head : heads_.heads)
        head_slot.push_back(head.key_slot);
    try {
        auto made = std::make_shared<GpuStore>(place, format_, head_size_, head_slot);
        std::lock_guard<std::mutex> guard(lock_);
        gpu_ = std::move(made);
    } catch (const gpu::Failure& failure) {
        std::fprintf(stderr, "Questions are scored on the processor: %s.\n", failure.what());
    }
}

std::shared_ptr<GpuStore> Store::gpu() const {
    std::lock_guard<std::mutex> guard(lock_);
    return gpu_;
}

bool Store::score_on(GpuStore& gpu, const std::vector<Part>& parts, const float* queries, int tokens,
                     std::vector<float>& masses) const {
    std::vector<std::shared_ptr<Segment>> segments;
    for (const Part& part : parts)
        segments.push_back(part.segment);
    try {
        gpu.score(segments, queries, tokens, masses.data());
        return true;
    } catch (const gpu::Failure& failure) {
        std::fprintf(stderr, "Questions are scored on the processor from now on: %s.\n", failure.what());
        std::lock_guard<std::mutex> guard(lock_);
        gpu_.reset();
        return false;
    }
}

void Store::score_all(const Arrangement& all, const float* queries, int tokens, int threads, const Cancel& cancel,
                      std::vector<float>& masses) const {
    const size_t heads = heads_.heads.size(), units = all.units;
    masses.resize(heads * tokens * units);
    if (const auto gpu = this->gpu(); gpu && !overflows()) {
        // Nothing damaged is served.
        if (!all.whole.load()) {
            over(all.files, all.parts, threads, cancel, [](size_t) {});
            all.whole.store(true);
        }
        if (score_on(*gpu, all.parts, queries, tokens, masses))
            return;
    }
    over(all.files, all.parts, threads, cancel, [&](size_t s) {
        const Segment& segment = *all.parts[s].segment;
        const uint32_t* starts = segment.unit_starts();
        for (size_t h = 0; h < heads; ++h) {
            const KeyView keys = segment.keys(static_cast<uint32_t>(heads_.heads[h].key_slot));
            const float* rows = queries + h * tokens * head_size_;
            for (uint32_t u = 0; u < segment.shape().units; ++u)
                unit_masses(keys, static_cast<int>(starts[u]), static_cast<int>(starts[u + 1]), rows, tokens,
                            masses.data() + h * tokens * units + all.parts[s].first_unit + u, units);
        }
    });
}

Scores Store::score(const std::vector<std::string>& files, const float* queries, int tokens, int threads,
                    const Cancel& cancel) const {
    const auto all = arrange(files);
    Scores scores;
    scores.means = all->means;
    scores.deviations = all->deviations;
    score_all(*all, queries, tokens, threads, cancel, scores.masses);
    return scores;
}

Ranked Store::rank(const Arrangement& all, const float* queries, RankWeights weights, int threads,
                   const Cancel& cancel) const {
    Ranked ranked;
    {
        std::lock_guard<std::mutex> guard(lock_);
        if (!spare_ || spare_.use_count() > 1)
            spare_ = std::make_shared<std::vector<float>>();
        ranked.masses = spare_;
    }
    ranked.units = all.units;
    ranked.weights = std::move(weights);
    score_all(all, queries, static_cast<int>(ranked.weights.tokens.size()), threads, cancel, *ranked.masses);
    MassesView view = ranked.view();
    view.means = all.means.data();
    view.deviations = all.deviations.data();
    ranked.scores = attention_scores(view, ranked.weights, threads);
    ranked.spreads = token_spreads(view, threads);
    return ranked;
}

void Store::make_basis(const std::vector<Part>& parts, const BankRows& bank) {
    // A sample of about so many keys, a group from the middle of every so many files.
    constexpr size_t groups = 512;
    std::vector<std::vector<float>> samples(heads_.keys.size());
    const size_t step = std::max<size_t>(1, parts.size() / groups);
    const size_t each = std::max<size_t>(1, groups / std::max<size_t>(1, parts.size()));
    std::vector<float> key(head_size_);
    for (size_t s = 0; s < parts.size(); s += step) {
        const int tokens = static_cast<int>(parts[s].segment->shape().tokens);
        const int wanted = std::min(tokens, static_cast<int>(each) * group_tokens), first = (tokens - wanted) / 2;
        for (size_t k = 0; k < samples.size(); ++k) {
            const KeyView keys = parts[s].segment->keys(static_cast<uint32_t>(k));
            for (int t = first; t < first + wanted; ++t) {
                read_key(keys, t, key.data());
                samples[k].insert(samples[k].end(), key.begin(), key.end());
            }
        }
    }
    basis_ = std::make_unique<SketchBasis>(heads_, head_size_, samples, bank);
}

Scores Store::estimate(const std::vector<std::string>& files, const float* queries, int tokens, const BankRows& bank,
                       int threads, const Cancel& cancel, const std::function<void(int)>& progress) {
    if (bank.tokens.empty() || std::find(bank.tokens.begin(), bank.tokens.end(), 0u) != bank.tokens.end() ||
        bank.queries.size() != heads_.heads.size() * bank.rows() * head_size_)
        throw Error("usage", "The reference questions do not fit the heads of the memory.");
    std::lock_guard<std::mutex> alone(estimating_);
    size_t units;
    const std::vector<Part> all = parts(files, units);
    for (auto at = sketches_.begin(); at != sketches_.end();)
        at = at->second.first.expired() ? sketches_.erase(at) : std::next(at);
    std::vector<std::string> fresh_files;
    std::vector<Part> fresh;
    for (size_t s = 0; s < all.size(); ++s)
        if (sketches_.count(all[s].segment.get()) == 0) {
            fresh_files.push_back(files[s]);
            fresh.push_back(all[s]);
        }
    if (!basis_)
        make_basis(all, bank);
    std::mutex adding;
    over(fresh_files, fresh, threads, cancel, [&](size_t s) {
        auto made = std::make_shared<Sketch>(Sketch::of(*fresh[s].segment, heads_, *basis_, bank));
        std::lock_guard<std::mutex> guard(adding);
        sketches_[fresh[s].segment.get()] = {fresh[s].segment, std::move(made)};
        progress(static_cast<int>(sketches_.size()));
    });
    const size_t heads = heads_.heads.size();
    Scores scores;
    scores.masses.resize(heads * tokens * units);
    scores.means.resize(heads * units);
    scores.deviations.resize(heads * units);
    std::vector<float> small(heads * tokens * sketch_size);
    for (size_t h = 0; h < heads; ++h)
        basis_->queries(static_cast<size_t>(heads_.heads[h].key_slot), queries + h * tokens * head_size_,
                        static_cast<size_t>(tokens), small.data() + h * tokens * sketch_size);
    over(files, all, threads, cancel, [&](size_t s) {
        const Segment& segment = *all[s].segment;
        const Sketch& sketch = *sketches_.at(&segment).second;
        const size_t own = segment.shape().units;
        copy_statistics(all[s], units, scores.means.data(), scores.deviations.data());
        for (size_t h = 0; h < heads; ++h) {
            float* out = scores.masses.data() + h * tokens * units + all[s].first_unit;
            sketch.masses(segment, static_cast<uint32_t>(heads_.heads[h].key_slot),
                          small.data() + h * tokens * sketch_size, tokens, out, units);
            for (int t = 0; t < tokens; ++t)
                for (size_t u = 0; u < own; ++u)
                    out[static_cast<size_t>(t) * units + u] +=
                        segment.bank_means()[h * own + u] - sketch.bank_means[h * own + u];
        }
    });
    return scores;
}

std::vector<float> Store::score_units(const std::vector<std::string>& files, const std::vector<int>& units,
                                      const float* queries, int tokens, int threads, const Cancel& cancel) const {
    size_t count;
    const std::vector<Part> all = parts(files, count);
    const size_t heads = heads_.heads.size();
    std::vector<float> masses(heads * tokens * units.size());
    for (size_t i = 0; i < units.size(); ++i)
        if (units[i] < 0 || static_cast<size_t>(units[i]) >= count || (i > 0 && units[i] <= units[i - 1]))
            throw Error("usage", "The units to be scored are not units of these files, in their order.");
    std::vector<std::string> some_files;
    std::vector<Part> some;
    std::vector<std::pair<size_t, size_t>> ranges; // of `units`, for each of `some`
    for (size_t s = 0, i = 0; s < all.size(); ++s) {
        const size_t first = i, end = all[s].first_unit + all[s].segment->shape().units;
        while (i < units.size() && static_cast<size_t>(units[i]) < end)
            ++i;
        if (i == first)
            continue;
        some_files.push_back(files[s]);
        some.push_back(all[s]);
        ranges.emplace_back(first, i);
    }
    over(some_files, some, threads, cancel, [&](size_t s) {
        const Segment& segment = *some[s].segment;
        const uint32_t* starts = segment.unit_starts();
        const auto unit = [&](size_t i) { return static_cast<size_t>(units[i]) - some[s].first_unit; };
        for (size_t i = ranges[s].first; i < ranges[s].second; ++i)
            segment.expect_keys(starts[unit(i)], starts[unit(i) + 1]);
        for (size_t h = 0; h < heads; ++h) {
            const KeyView keys = segment.keys(static_cast<uint32_t>(heads_.heads[h].key_slot));
            for (size_t i = ranges[s].first; i < ranges[s].second; ++i)
                unit_masses(keys, static_cast<int>(starts[unit(i)]), static_cast<int>(starts[unit(i) + 1]),
                            queries + h * tokens * head_size_, tokens, masses.data() + h * tokens * units.size() + i,
                            units.size());
        }
    });
    return masses;
}

} // namespace longread
