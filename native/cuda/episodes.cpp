#include "cuda/episodes.h"
#include "engine/sliding.h"
#include <algorithm>

namespace longread::gpu {

static_assert(batch_tokens % LONGREAD_TILE_ROWS == 0, "no tile crosses a place where the window slides");

namespace {

constexpr uint32_t group_tokens = LONGREAD_GROUP_TOKENS;

// Keys that a tile's queries see at most, which is how long it takes.
int64_t work_of(const LongreadTile& tile, int32_t window) {
    const int64_t last = tile.first_row - tile.episode + tile.rows;
    return std::min<int64_t>(last, static_cast<int64_t>(window) + tile.rows);
}

} // namespace

size_t packed_bytes(int32_t format, int32_t head_size, uint32_t tokens) {
    const size_t padded = (static_cast<size_t>(tokens) + group_tokens - 1) / group_tokens * group_tokens;
    const size_t each = static_cast<size_t>(head_size);
    return format == LONGREAD_KEYS_F16 ? padded * each * 2 : padded * (each + sizeof(float));
}

size_t packed_stride(int32_t format, int32_t head_size, uint32_t tokens) {
    return (packed_bytes(format, head_size, tokens) + 63) / 64 * 64;
}

EpisodeBatch::EpisodeBatch(const EpisodeView* episodes, size_t count, const EpisodeRule& rule) {
    for (size_t e = 0; e < count; ++e)
        add(episodes[e], rule);
    // The longest first: blocks that start last should be short.
    std::stable_sort(tiles_.begin(), tiles_.end(), [&](const LongreadTile& a, const LongreadTile& b) {
        return work_of(a, rule.window) > work_of(b, rule.window);
    });
}

void EpisodeBatch::add(const EpisodeView& episode, const EpisodeRule& rule) {
    const int32_t base = static_cast<int32_t>(tokens_.size());
    for (int32_t t = 0; t < episode.count; ++t) {
        tokens_.push_back(episode.tokens[t]);
        positions_.push_back(t);
    }
    add_tiles(base, episode.count, rule);

    const uint32_t first = static_cast<uint32_t>(kept_rows_.size());
    const uint32_t padded = (episode.kept_count + group_tokens - 1) / group_tokens * group_tokens;
    const size_t stride = packed_stride(rule.format, rule.head_size, episode.kept_count);
    for (uint32_t k = 0; k < episode.kept_count; ++k)
        kept_rows_.push_back(base + static_cast<int32_t>(episode.kept[k]));
    for (uint32_t g = 0; g * group_tokens < episode.kept_count; ++g)
        groups_.push_back({key_bytes_, stride, padded, g, first + g * group_tokens,
                           std::min(group_tokens, episode.kept_count - g * group_tokens)});
    first_units_.push_back(units_.size());
    for (uint32_t u = 0; u < episode.units; ++u)
        units_.push_back({key_bytes_, stride, padded, episode.unit_starts[u], episode.unit_starts[u + 1], 0});
    key_offsets_.push_back(key_bytes_);
    key_bytes_ += stride * static_cast<size_t>(rule.key_slots);
}

// As Context::read() does batch after batch: before one that does not fit, the window moves to the front of the cache.
void EpisodeBatch::add_tiles(int32_t base, int32_t count, const EpisodeRule& rule) {
    const int32_t slots = episode_slots(count, rule.window, rule.sinks);
    int32_t used = 0, shifted = -1;
    for (int32_t first = 0; first < count; first += batch_tokens) {
        const int32_t some = std::min(batch_tokens, count - first);
        if (used + some > slots) {
            const int32_t kept = kept_by_slide(used, rule.window, rule.sinks);
            // How far the first key that stays was from the sinks.
            const int32_t shift = first - kept - rule.sinks;
            used = rule.sinks + kept;
            if (rule.sinks > 0 && shift > 0) {
                shifted = static_cast<int32_t>(shifts_.size());
                shifts_.push_back({base, shift});
            }
        }
        used += some;
        for (int32_t row = first; row < first + some; row += LONGREAD_TILE_ROWS)
            tiles_.push_back({base + row, std::min(LONGREAD_TILE_ROWS, first + some - row), base, shifted});
    }
}

LongreadBatch EpisodeBatch::view() const {
    LongreadBatch batch{};
    batch.rows = static_cast<int32_t>(tokens_.size());
    batch.tokens = tokens_.data();
    batch.positions = positions_.data();
    batch.tiles = tiles_.data();
    batch.tile_count = static_cast<int32_t>(tiles_.size());
    batch.shifts = shifts_.data();
    batch.shift_count = static_cast<int32_t>(shifts_.size());
    batch.kept_rows = kept_rows_.data();
    batch.kept_count = static_cast<int32_t>(kept_rows_.size());
    batch.groups = groups_.data();
    batch.group_count = static_cast<int32_t>(groups_.size());
    batch.units = units_.data();
    batch.unit_count = static_cast<int32_t>(units_.size());
    batch.key_bytes = key_bytes_;
    return batch;
}

} // namespace longread::gpu
