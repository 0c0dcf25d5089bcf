// reference-check FOLDER MODEL WINDOW SINKS: reads random episodes with the engine on the processor and, as one batch,
// with the references of the CUDA kernels, and compares what is kept of them: keys, and what the bank says of units.
// FOLDER holds ggml's libraries; the model should have F32 weights, so that both sides round alike. Prints a line a
// comparison and at last how many held; ends with 1 where one did not.
#include "engine/reader.h"
#include "tests/reference-model.h"
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>

using namespace longread;

namespace {

int checks = 0, held = 0;

// The length of the difference as a share of the length of what it should be.
void compare(const char* what, const std::vector<float>& is, const std::vector<float>& should, double bound) {
    double difference = 0, length = 0;
    for (size_t i = 0; i < should.size(); ++i) {
        difference += std::pow(static_cast<double>(is[i]) - should[i], 2);
        length += std::pow(static_cast<double>(should[i]), 2);
    }
    const double share = std::sqrt(difference / length);
    const bool holds = is.size() == should.size() && !should.empty() && share <= bound;
    std::printf("%s %s: differs by %.6f, allowed %.6f, of %zu numbers\n", holds ? "ok" : "FAILED", what, share, bound,
                should.size());
    ++checks;
    held += holds;
}

std::vector<float> keys_of(const std::vector<std::shared_ptr<Segment>>& segments) {
    std::vector<float> all;
    for (const auto& segment : segments)
        for (uint32_t k = 0; k < segment->shape().key_heads; ++k)
            for (uint32_t t = 0; t < segment->shape().tokens; ++t) {
                all.resize(all.size() + segment->shape().head_size);
                read_key(segment->keys(k), static_cast<int>(t), &all[all.size() - segment->shape().head_size]);
            }
    return all;
}

std::vector<float> statistics_of(const std::vector<std::shared_ptr<Segment>>& segments, bool means) {
    std::vector<float> all;
    for (const auto& segment : segments) {
        const float* from = means ? segment->bank_means() : segment->bank_deviations();
        all.insert(all.end(), from, from + size_t{segment->shape().heads} * segment->shape().units);
    }
    return all;
}

int check(const char* folder, const char* path, int window, int sinks) {
    load_backends(folder);
    LoadOptions options;
    options.path = path;
    options.weights = WeightFormat::file;
    options.threads = 1;
    const Cancel cancel;
    const auto model = Model::load(options, cancel, [](double) {});
    const Hyper& h = model->hyper;
    // The last layer's keys are the sum of all that went before.
    const RecallHeads recall =
        RecallHeads::of(h, {{0, 0}, {h.layers / 2, h.heads - 1}, {h.layers - 1, 0}, {h.layers - 1, h.heads - 1}});

    std::mt19937 random(7);
    const auto below = [&](int limit) { return static_cast<int>(random() % static_cast<uint32_t>(limit)); };
    BankRows bank;
    bank.tokens = {3, 7, 1, 12};
    bank.queries.resize(recall.heads.size() * bank.rows() * h.head_size);
    std::normal_distribution<float> normal(0, 0.3f);
    for (float& x : bank.queries)
        x = normal(random);

    for (KeyFormat format : {KeyFormat::f16, KeyFormat::q8}) {
        std::vector<EpisodeOptions> episodes;
        // Shorter than a group, a tile, a batch and a window; longer than each; long enough to slide again and again.
        for (int count : {1, 15, 130, 511, 700, 2100}) {
            EpisodeOptions episode;
            for (int t = 0; t < count; ++t)
                episode.tokens.push_back(below(h.vocabulary));
            // Some tokens before, between and after units, and a unit without tokens.
            for (int at = std::min(count, 3); at < count; at += 2) {
                const int end = std::min(count, at + below(60));
                episode.units.emplace_back(at, end);
                at = end;
            }
            episode.window = window;
            episode.sinks = sinks;
            episode.format = format;
            episode.bank = &bank;
            episodes.push_back(episode);
        }
        const auto should = read_episodes(*model, recall, episodes, cancel, [](int) {});
        const auto is = ReferenceModel(*model, 2100).read(recall, episodes);
        const bool q8 = format == KeyFormat::q8;
        // The engine's caches are F16, and 8 bits round some keys the other way: seen up to 0.0011 and 0.0034. A window
        // that is one token wider or sinks that are not moved make it 0.17 and more.
        compare(q8 ? "8-bit keys" : "F16 keys", keys_of(is), keys_of(should), q8 ? 0.006 : 0.002);
        compare("means of the bank", statistics_of(is, true), statistics_of(should, true), 0.001);
        compare("deviations of the bank", statistics_of(is, false), statistics_of(should, false), 0.01);
    }
    std::printf("%d of %d\n", held, checks);
    return held == checks ? 0 : 1;
}

} // namespace

int main(int count, char** arguments) {
    if (count != 5) {
        std::fprintf(stderr, "usage: reference-check FOLDER MODEL WINDOW SINKS\n");
        return 2;
    }
    try {
        return check(arguments[1], arguments[2], std::atoi(arguments[3]), std::atoi(arguments[4]));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
