#include "engine/together.h"
#include "engine/reader.h"
#include <algorithm>
#include <cmath>
#include <cstdio>

namespace longread {
namespace {

// Keys of two readings of one episode: the length of their difference as a share of their length.
double difference(const Segment& a, const Segment& b) {
    const SegmentShape& shape = a.shape();
    std::vector<float> left(shape.head_size), right(shape.head_size);
    double apart = 0, length = 0;
    for (uint32_t k = 0; k < shape.key_heads; ++k)
        for (uint32_t t = 0; t < shape.tokens; ++t) {
            read_key(a.keys(k), static_cast<int>(t), left.data());
            read_key(b.keys(k), static_cast<int>(t), right.data());
            for (uint32_t d = 0; d < shape.head_size; ++d) {
                apart += std::pow(static_cast<double>(left[d]) - right[d], 2);
                length += std::pow(static_cast<double>(right[d]), 2);
            }
        }
    return std::sqrt(apart / length);
}

// What most profiles read files with: for a reader that is made before any file is read. Where files are read with
// another window, one is made for that.
constexpr int usual_window = 2048, usual_sinks = 4;

} // namespace

Together::Together(const Model& model, const std::string& library, const std::string& cublas) {
    if (library.empty())
        return;
    refusal_ = GpuReader::refusal(model);
    if (!refusal_.empty())
        return;
    auto place = std::make_unique<gpu::Place>();
    place->library = gpu::Library::load(library, refusal_);
    if (!place->library)
        return;
    if (ggml_backend_dev_t device = model.backend->gpu_device()) {
        ggml_backend_dev_props props{};
        ggml_backend_dev_get_props(device, &props);
        place->bus_id = props.device_id ? props.device_id : "";
    }
    place->cublas = cublas;
    room_ = GpuReader::room_for(*place, model);
    if (room_.rows == 0)
        refusal_ = place->library->free_bytes(place->bus_id.c_str()) == 0
                       ? place->library->error()
                       : "the GPU has too little free memory for a second copy of the weights";
    else
        place_ = std::move(place);
}

int Together::tokens() const {
    std::lock_guard<std::mutex> guard(lock_);
    return place_ ? 4 * room_.rows : 0; // two batches are on their way at once, while others are laid out
}

std::string Together::refusal() const {
    std::lock_guard<std::mutex> guard(lock_);
    return refusal_;
}

std::unique_ptr<gpu::Place> Together::place() const {
    std::lock_guard<std::mutex> guard(lock_);
    return place_ ? std::make_unique<gpu::Place>(*place_) : nullptr;
}

void Together::give_up(const std::string& why) {
    reader_.reset();
    std::lock_guard<std::mutex> guard(lock_);
    place_.reset();
    refusal_ = why;
    std::fprintf(stderr, "Our own CUDA kernels are not used any more: %s.\n", why.c_str());
}

// The reader for such episodes. Before the first it reads one that the engine reads, too: it is not used where they do
// not agree.
bool Together::prepare(Model& model, const RecallHeads& heads, const EpisodeOptions& like, const Cancel& cancel) {
    if (!place_ || like.sinks > LONGREAD_MOST_SINKS)
        return false;
    const int layers = heads.keys.back().first + 1;
    if (!reader_ || !reader_->serves(layers, like)) {
        reader_.reset(); // before the next takes its memory
        make_reader(model, layers, like.window, like.sinks);
    }
    if (agrees_)
        return true;
    EpisodeOptions probe = like;
    probe.bank = nullptr;
    probe.tokens.resize(600); // two of the engine's batches
    for (size_t t = 0; t < probe.tokens.size(); ++t)
        probe.tokens[t] = static_cast<int32_t>((t * 7919 + 1) % static_cast<size_t>(model.hyper.vocabulary));
    probe.units = {{0, 600}};
    const auto should = read_episode(model, heads, probe, cancel, [](int) {});
    const auto is = reader_->read(heads, {&probe}, cancel, [](int) {});
    // Weights of 4 bits and activations of 8 make the engine's keys differ by some percent from those of half
    // precision, and 8-bit products make ours; what is wrong differs by the whole.
    const double apart = difference(*is.front(), *should);
    if (!(apart < (model.eight ? 0.3 : 0.15)))
        throw gpu::Failure("what they read differs by " + std::to_string(apart) + " from what ggml reads");
    agrees_ = true;
    return true;
}

// The next reader has agreed with nobody yet; what was refused stays so.
void Together::make_reader(const Model& model, int layers, int window, int sinks) {
    reader_ = std::make_unique<GpuReader>(*place_, model, layers, window, sinks, room_);
    agrees_ = false;
    for (Trial* trial : {&deep_, &heard_})
        *trial = *trial == Trial::refused ? Trial::refused : Trial::untried;
}

std::vector<float> Together::queries(Model& model, const RecallHeads& heads, const std::vector<int32_t>& tokens,
                                     int from, int distance, const Cancel& cancel) {
    const auto by_engine = [&] { return read_queries(model, heads, tokens, from, distance, cancel); };
    const bool makes_sense = !heads.keys.empty() && from >= 0 && static_cast<size_t>(from) < tokens.size();
    if (!place_ || heard_ == Trial::refused || !makes_sense)
        return by_engine();
    try {
        const int layers = heads.keys.back().first + 1;
        if (!reader_)
            make_reader(model, layers, usual_window, usual_sinks);
        if (!reader_->has_layers(layers) || tokens.size() > static_cast<size_t>(reader_->longest_text()))
            return by_engine();
        auto queries = reader_->queries(heads, tokens, from, distance);
        if (heard_ == Trial::untried) {
            const auto should = by_engine();
            double apart = 0, length = 0;
            for (size_t i = 0; i < should.size(); ++i) {
                apart += std::pow(static_cast<double>(queries[i]) - should[i], 2);
                length += std::pow(static_cast<double>(should[i]), 2);
            }
            // As for keys.
            if (!(std::sqrt(apart / length) < 0.15))
                throw gpu::Failure("what they hear differs by " + std::to_string(std::sqrt(apart / length)) +
                                   " from what ggml hears");
            heard_ = Trial::used;
        }
        return queries;
    } catch (const gpu::Failure& failure) {
        heard_ = Trial::refused;
        std::fprintf(stderr, "Questions are heard without our own CUDA kernels: %s.\n", failure.what());
    }
    return by_engine();
}

std::vector<float> Together::likelihoods(Model& model, ReadPrefixes& kept,
                                         const std::vector<std::vector<int32_t>>& prefixes,
                                         const std::vector<int32_t>& target, double seconds, const Cancel& cancel,
                                         const std::function<void(int)>& progress) {
    const auto by_engine = [&](const std::vector<std::vector<int32_t>>& of, const std::function<void(int)>& tell) {
        return read_likelihoods(model, kept, of, target, seconds, cancel, tell);
    };
    size_t longest = 0;
    bool empty = prefixes.empty() || target.empty();
    for (const auto& prefix : prefixes) {
        longest = std::max(longest, prefix.size() + target.size());
        empty = empty || prefix.empty();
    }
    if (!place_ || deep_ == Trial::refused || empty)
        return by_engine(prefixes, progress);
    try {
        if (!reader_)
            make_reader(model, model.hyper.layers, usual_window, usual_sinks);
        if (longest > static_cast<size_t>(reader_->longest_text()))
            return by_engine(prefixes, progress);
        const auto results = reader_->likelihoods(model, prefixes, target, cancel, progress);
        if (deep_ == Trial::untried) {
            const float should = by_engine({prefixes.front()}, [](int) {}).front(), is = results.front();
            // Weights of few bits and activations of 8 make the engine's differ by some hundredths of a nat from those
            // of half precision; what is wrong differs by nats.
            if (!(std::fabs(is - should) < 0.15f + 0.05f * std::fabs(should)))
                throw gpu::Failure("a likelihood was " + std::to_string(is) + " where ggml's is " +
                                   std::to_string(should));
            deep_ = Trial::used;
        }
        return results;
    } catch (const gpu::Failure& failure) {
        deep_ = Trial::refused;
        std::fprintf(stderr, "Units are read again without our own CUDA kernels: %s.\n", failure.what());
    }
    return by_engine(prefixes, progress);
}

std::vector<std::shared_ptr<Segment>> Together::read(Model& model, const RecallHeads& heads,
                                                     const std::vector<EpisodeOptions>& episodes, const Cancel& cancel,
                                                     const std::function<void(int)>& progress) {
    try {
        if (episodes.empty() || !prepare(model, heads, episodes.front(), cancel))
            return read_episodes(model, heads, episodes, cancel, progress);
        // Empty files and such as are too long are the engine's.
        std::vector<const EpisodeOptions*> ours;
        const auto is_ours = [&](const EpisodeOptions& episode) {
            return !episode.tokens.empty() && episode.tokens.size() <= static_cast<size_t>(reader_->longest());
        };
        int done = 0;
        for (const EpisodeOptions& episode : episodes)
            if (is_ours(episode))
                ours.push_back(&episode);
        const auto read = reader_->read(heads, ours, cancel, [&](int tokens) { progress(done = tokens); });
        std::vector<std::shared_ptr<Segment>> segments;
        size_t next = 0;
        for (const EpisodeOptions& episode : episodes) {
            if (is_ours(episode)) {
                segments.push_back(read[next++]);
                continue;
            }
            segments.push_back(
                read_episode(model, heads, episode, cancel, [&](int tokens) { progress(done + tokens); }));
            done += static_cast<int>(episode.tokens.size());
        }
        return segments;
    } catch (const gpu::Failure& failure) {
        give_up(failure.what());
    }
    return read_episodes(model, heads, episodes, cancel, progress);
}

} // namespace longread
