#include "cuda/attention.cuh"
#include "cuda/episodes.h"
#include "cuda/group-mma.cuh"
#include "tests/kernel-checks.h"
#include <algorithm>

namespace longread::gpu {
namespace {

struct Case {
    int head_size, heads, key_heads, window, sinks;
    std::vector<int> lengths;
};

void check_case(Checks& checks, const Case& c, Random& random) {
    std::vector<std::vector<int32_t>> tokens;
    std::vector<EpisodeView> views;
    int rows = 0;
    for (int length : c.lengths) {
        tokens.emplace_back(static_cast<size_t>(length));
        rows += length;
    }
    for (const auto& episode : tokens)
        views.push_back({episode.data(), static_cast<int32_t>(episode.size()), nullptr, 0, nullptr, 0});
    const EpisodeBatch layout(views.data(), views.size(), {c.window, c.sinks, LONGREAD_KEYS_F16, c.head_size, 0});
    const LongreadBatch batch = layout.view();
    const size_t all = static_cast<size_t>(rows) * (c.heads + 2 * c.key_heads) * c.head_size;
    const size_t mixed = static_cast<size_t>(rows) * c.heads * c.head_size;
    const size_t moved = static_cast<size_t>(batch.shift_count) * c.sinks * c.key_heads * c.head_size;
    const std::vector<float> qkv = random.halves(all, 1.5f), shifted = random.halves(moved, 1.5f);
    const float scale = 1.0f / std::sqrt(static_cast<float>(c.head_size));
    const reference::Heads heads{c.heads, c.key_heads, c.head_size, true, 0, nullptr, nullptr, nullptr, nullptr};
    std::vector<float> should(mixed);
    reference::attention(qkv.data(), shifted.data(), batch.tiles, batch.tile_count, c.window, c.sinks, scale, heads,
                         should.data());

    Stream stream;
    const Buffer<__half> qkv_there = halves_there(qkv), shifted_there = halves_there(shifted);
    Buffer<LongreadTile> tiles;
    tiles.upload(batch.tiles, static_cast<size_t>(batch.tile_count));
    float largest = 0;
    for (float x : qkv)
        largest = std::max(largest, std::fabs(x));
    char what[160];
    std::snprintf(what, sizeof what, "attention of %d heads of %d over %d, window %d, %d sinks, %d episodes, %d moved",
                  c.heads, c.head_size, c.key_heads, c.window, c.sinks, static_cast<int>(c.lengths.size()),
                  batch.shift_count);
    // By a warp's products, and by a warpgroup's where there are such.
    for (const bool alone : {true, false}) {
        warps_alone = alone;
        // What no tile writes stays a NaN.
        Buffer<__half> to = halves_there(std::vector<float>(mixed, NAN));
        attention(qkv_there.data(), shifted_there.data(), tiles.data(), batch.tile_count, {c.window, c.sinks, scale},
                  c.head_size, {c.heads, c.key_heads, true, 0, nullptr, nullptr, nullptr, nullptr}, to.data(), stream);
        stream.wait();
        checks.compare(std::string(what) + (alone ? "" : ", warpgroups"), halves_here(to, mixed), should,
                       1e-3 * largest, 0);
    }
}

} // namespace

void check_attention(Checks& checks, bool large) {
    Random random(4);
    // Windows that slide twice; whole ones; no sinks; as many as there may be; windows shorter than a block of keys.
    std::vector<Case> cases = {{64, 2, 1, 100, 4, {1, 17, 130, 1300}},
                               {64, 1, 1, 4096, 4, {257, 64}},
                               {64, 1, 1, 90, 0, {700, 3}},
                               {128, 1, 1, 65, 64, {5, 1250}},
                               {128, 3, 3, 20, 2, {128, 90}}};
    if (large)
        for (int head_size : {64, 128})
            cases.push_back({head_size, 4, 2, 2048, 4, {1, 300, 5000, 1700, 2048, 129, 4096}});
    for (const Case& one : cases)
        check_case(checks, one, random);
}

} // namespace longread::gpu
