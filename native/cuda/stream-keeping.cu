// A stream as bytes, and back: where it stands, what its window holds, sinks, representative keys, and the units
// wherever they rest. Which units are at a layer's places is not kept: they are fetched again.
#include "cuda/stream.cuh"
#include <algorithm>

namespace longread::gpu {
namespace {

// What follows in this order: lengths of units to come, lengths of units, then as save() puts it.
struct Standing {
    int32_t base, used, position, sinks, cut, coming, units, unused;
};

constexpr size_t piece_bytes = size_t{32} << 20; // of what rests in the file

} // namespace

template <typename Each> void UnitStream::each_array(const Place& place, const Each& each) const {
    const size_t row = key_width() * sizeof(__half), pitch = static_cast<size_t>(layout_.rows) * row;
    for (__half* rows : {keys_.data(), values_.data()}) {
        each(rows + static_cast<size_t>(layout_.window_row) * key_width(), pitch, static_cast<size_t>(place.used) * row,
             layers_.size());
        each(rows, pitch, static_cast<size_t>(place.sinks) * row, layers_.size());
    }
    const size_t slots = static_cast<size_t>(layout_.capacity) * sizeof(float);
    each(received_.data(), slots, static_cast<size_t>(place.used) * sizeof(float),
         layers_.size() * static_cast<size_t>(model_.heads));
}

// Every unit's bytes where they rest: in memory, or, in the file, piece by piece by offset and length.
template <typename Here, typename Filed> void UnitStream::each_unit(const Here& here, const Filed& filed) const {
    for (size_t u = 0; u < units_.size(); ++u) {
        const size_t bytes = static_cast<size_t>(units_[u].tokens) * token_bytes();
        if (homes_[u].offset < 0) {
            here(homes_[u].memory.here, bytes);
            continue;
        }
        for (size_t at = 0; at < bytes; at += piece_bytes)
            filed(static_cast<uint64_t>(homes_[u].offset) + at, std::min(piece_bytes, bytes - at));
    }
}

void UnitStream::save(const Put& put) {
    mark();
    keeping_.wait();
    settle_file();
    const Place& place = place_;
    const Standing standing{place.base,
                            place.used,
                            place.position,
                            place.sinks,
                            place.cut,
                            static_cast<int32_t>(place.lengths.size()),
                            static_cast<int32_t>(units_.size()),
                            0};
    put(&standing, sizeof standing);
    std::vector<int32_t> lengths(place.lengths.begin(), place.lengths.end());
    for (const StreamUnit& unit : units_)
        lengths.push_back(unit.tokens);
    put(lengths.data(), lengths.size() * sizeof(int32_t));
    std::vector<char> rows;
    const auto put_rows = [&](const void* from, size_t pitch, size_t bytes, size_t count) {
        rows.resize(bytes * count);
        if (rows.empty())
            return;
        check(cudaMemcpy2DAsync(rows.data(), bytes, from, pitch, bytes, count, cudaMemcpyDeviceToHost, computing_),
              "a copy from the GPU failed");
        computing_.wait();
        put(rows.data(), rows.size());
    };
    each_array(place, put_rows);
    // Of the last chunk, units that there are not, too.
    chunks_.each(units_.size(), [&](const __half* keys, size_t bytes, bool on_gpu) {
        if (on_gpu)
            put_rows(keys, bytes, bytes, 1);
        else
            put(keys, bytes);
    });
    each_unit(put, [&](uint64_t at, size_t bytes) {
        rows.resize(bytes);
        file_->read(at, rows.data(), bytes);
        put(rows.data(), bytes);
    });
}

// Whether it can be what save() put of a stream of this shape.
bool UnitStream::take_standing(const Get& get) {
    Standing standing{};
    get(&standing, sizeof standing);
    const auto within = [](int32_t x, int64_t most) { return x >= 0 && x <= most; };
    if (!within(standing.used, shape_.n_local + shape_.block_size) || !within(standing.sinks, shape_.n_init) ||
        !within(standing.units, most_units) || !within(standing.base, INT32_MAX - standing.used) ||
        standing.position != standing.base + standing.used || !within(standing.coming, INT32_MAX))
        return false;
    place_ = {};
    place_.base = standing.base;
    place_.used = standing.used;
    place_.position = standing.position;
    place_.sinks = standing.sinks;
    place_.cut = standing.cut != 0;
    const auto length = [&] {
        int32_t tokens = 0;
        get(&tokens, sizeof tokens);
        return tokens >= 1 && tokens <= shape_.block_size ? tokens : 0;
    };
    for (int32_t i = 0; i < standing.coming; ++i) {
        const int32_t tokens = length();
        if (tokens == 0)
            return false;
        place_.lengths.push_back(tokens);
    }
    // Units follow one another from the sinks to where no token is in one yet, which is slot 0.
    int64_t at = standing.sinks;
    for (int32_t u = 0; u < standing.units; ++u) {
        const int32_t tokens = length();
        if (tokens == 0 || at + tokens > standing.base)
            return false;
        add_unit(static_cast<int>(at), tokens);
        at += tokens;
    }
    return at == standing.base || shape_.topk == 0;
}

bool UnitStream::restore(const Get& get) {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    if (place_.position > 0 || mark_)
        throw std::runtime_error("only a stream that has read nothing can take what was kept");
    if (!take_standing(get))
        return false;
    layout_ = {};
    reserve_window();
    reserve_units();
    copy_to_gpu(units_there_.data(), units_.data(), units_.size() * sizeof(StreamUnit));
    std::vector<char> rows;
    const auto get_rows = [&](void* to, size_t pitch, size_t bytes, size_t count) {
        rows.resize(bytes * count);
        if (rows.empty())
            return;
        get(rows.data(), rows.size());
        check(cudaMemcpy2DAsync(to, pitch, rows.data(), bytes, bytes, count, cudaMemcpyHostToDevice, computing_),
              "a copy to the GPU failed");
        computing_.wait();
    };
    each_array(place_, get_rows);
    chunks_.each(units_.size(), [&](__half* keys, size_t bytes, bool on_gpu) {
        if (on_gpu)
            get_rows(keys, bytes, bytes, 1);
        else
            get(keys, bytes);
    });
    each_unit(get, [&](uint64_t at, size_t bytes) {
        rows.resize(bytes);
        get(rows.data(), bytes);
        file_->write(at, rows.data(), bytes);
    });
    slide_window(range(0, model_.layers), 0, 0, place_.used, layout_, plain_heads(), computing_);
    mark();
    return true;
}

} // namespace longread::gpu
