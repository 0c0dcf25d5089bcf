// Where a stream stands: what a read's blocks see, what leaves the window after each of them, the window's way to its
// front, and back to what was marked. All of it follows from numbers of tokens alone, so the GPU is never asked.
#include "cuda/reader.cuh"
#include "cuda/stream.cuh"
#include <algorithm>
#include <climits>

namespace longread::gpu {
namespace {

int capacity_of(const LongreadStreamShape& s) {
    // What is kept never lies where it is moved to, and a read fits behind it.
    return blocks_for(2 * (s.n_local + s.block_size) + s.model.rows, 64) * 64;
}

StreamLayout layout_of(const LongreadStreamShape& s, bool cut) {
    StreamLayout l{};
    l.heads = s.model.heads;
    l.key_heads = s.model.key_heads;
    l.head_size = s.model.head_size;
    l.n_local = s.n_local;
    l.block_size = s.block_size;
    l.topk = s.topk;
    l.repr_topk = s.repr_topk;
    l.cached = std::max(1, s.max_cached_block);
    l.capacity = capacity_of(s);
    l.cache_row = s.n_init;
    l.spare_row = l.cache_row + l.cached * s.block_size;
    // Units that are cut may be more than there are places: short ones.
    l.window_row = l.spare_row + (cut ? s.topk * s.block_size : 0);
    l.rows = l.window_row + l.capacity;
    l.scale = s.model.attention_scale;
    l.stretch = 1.0f / s.model.shift_length;
    return l;
}

} // namespace

void UnitStream::check_shape(const LongreadStreamShape& s) {
    LongreadShape model = s.model;
    model.window = 1;
    model.sinks = 0;
    model.positions = std::max(model.positions, model.rows); // not known yet
    Reader::check_shape(model);
    const bool sizes = s.n_init >= 0 && s.n_local >= 1 && s.block_size >= 1 && s.topk >= 0 && s.repr_topk >= 1 &&
                       s.repr_topk <= s.block_size && s.exc_block_size >= 1 && s.exc_block_size <= s.n_local &&
                       s.distance >= 0 && s.max_cached_block >= s.topk;
    constexpr int most = 1 << 20; // so that nothing overflows
    const bool bounded = s.n_init <= most && s.n_local <= most && s.distance <= most && s.model.rows <= most &&
                         s.block_size <= most_unit_tokens && s.topk <= most_chosen && s.max_cached_block <= most / 8;
    if (!sizes || !bounded || static_cast<int64_t>(s.max_cached_block) * s.block_size > INT_MAX / 8)
        throw std::runtime_error("no kernel reads a stream with these parameters");
}

int UnitStream::positions(const LongreadStreamShape& s) {
    check_shape(s);
    return std::max(capacity_of(s), s.distance + 1);
}

uint64_t UnitStream::bytes(const LongreadStreamShape& s) {
    check_shape(s);
    const LongreadShape& m = s.model;
    const StreamLayout l = layout_of(s, true);
    const uint64_t mixed = static_cast<uint64_t>(m.heads) * static_cast<uint64_t>(m.head_size);
    const uint64_t width = static_cast<uint64_t>(l.width()), layers = static_cast<uint64_t>(m.layers);
    const uint64_t window =
        layers * (4 * static_cast<uint64_t>(l.rows) * width +
                  static_cast<uint64_t>(l.capacity) * (2 * width + 4 * static_cast<uint64_t>(m.heads)));
    const uint64_t rows = row_bytes(m, m.rows) + static_cast<uint64_t>(m.rows) * mixed *
                                                     (4 + 4 * static_cast<uint64_t>(window_splits(m.rows, l)));
    const uint64_t output = 2 * static_cast<uint64_t>(m.embedding) * static_cast<uint64_t>(m.vocabulary);
    const uint64_t turns = static_cast<uint64_t>(positions(s)) * static_cast<uint64_t>(m.head_size) * sizeof(float);
    // 256 MB: what parts of the far attention take, logits, cuBLASLt's own memory.
    return weight_bytes(m) + output + window + rows + turns + (uint64_t{256} << 20);
}

StreamLayer UnitStream::layer_arrays(int layer) const {
    const size_t l = static_cast<size_t>(layer), rows = l * static_cast<size_t>(layout_.rows) * key_width();
    const size_t capacity = static_cast<size_t>(layout_.capacity);
    return {keys_.data() + rows, values_.data() + rows, rotated_.data() + l * capacity * key_width(),
            received_.data() + l * capacity * static_cast<size_t>(model_.heads)};
}

LayerRange UnitStream::range(int first, int count) const {
    const size_t capacity = static_cast<size_t>(layout_.capacity);
    return {layer_arrays(first),
            {static_cast<size_t>(layout_.rows) * key_width(), capacity * key_width(),
             capacity * static_cast<size_t>(model_.heads)},
            first,
            count};
}

// When it is known whether the caller cuts.
void UnitStream::reserve_window() {
    if (layout_.rows > 0)
        return;
    layout_ = layout_of(shape_, place_.cut);
    const size_t layers = layers_.size(), width = key_width();
    const size_t capacity = static_cast<size_t>(layout_.capacity),
                 places = layers * static_cast<size_t>(layout_.cached);
    keys_.reserve(layers * static_cast<size_t>(layout_.rows) * width);
    values_.reserve(layers * static_cast<size_t>(layout_.rows) * width);
    rotated_.reserve(layers * capacity * width);
    received_.reserve(layers * capacity * static_cast<size_t>(model_.heads));
    const std::vector<int32_t> none(places, -1), never(places, 0);
    place_unit_.upload(none.data(), places);
    place_used_.upload(never.data(), places);
}

void UnitStream::cut(const int32_t* lengths, int count) {
    if (!place_.cut && place_.position > 0)
        throw std::runtime_error("a stream is cut from its first token on, or not at all");
    for (int i = 0; i < count; ++i)
        if (lengths[i] < 1 || lengths[i] > shape_.block_size)
            throw std::runtime_error("a unit has too many tokens, or none");
    if (!place_.cut)
        layout_ = {}; // other rows are needed
    place_.cut = true;
    place_.lengths.insert(place_.lengths.end(), lengths, lengths + count);
}

// Blocks of `count` tokens, and what leaves the window after each.
void UnitStream::plan(int count) {
    if (place_.position > INT_MAX - count || clock_ > INT_MAX - count)
        throw std::runtime_error("the stream is longer than can be counted");
    blocks_.clear();
    leaving_.clear();
    // What layers look up is among the units that begin early enough.
    const auto known = [&] {
        const auto end = std::partition_point(units_.begin(), units_.end(),
                                              [&](const StreamUnit& unit) { return forces_ || unit.first < before_; });
        return static_cast<int>(end - units_.begin());
    };
    const int old = known();
    for (int first = 0; first < count; first += shape_.exc_block_size) {
        StreamBlock b{};
        b.first_row = first;
        b.rows = std::min(shape_.exc_block_size, count - first);
        b.slot = place_.used;
        b.start = place_.start;
        b.sinks = place_.sinks;
        b.units = known();
        b.rest = shape_.topk > 0 ? std::max(0, place_.used + b.rows - shape_.n_local - place_.start) : 0;
        b.base = place_.base;
        b.tokens = shape_.topk * shape_.block_size;
        b.most = place_.cut ? most_chosen : shape_.topk;
        b.clock = ++clock_;
        b.old = old;
        blocks_.push_back(b);
        place_.used += b.rows;
        place_.position += b.rows;
        leave_window();
    }
}

// What no later token sees exactly becomes sinks and units.
void UnitStream::leave_window() {
    Place& p = place_;
    Leaving leaving;
    leaving.base = p.base;
    leaving.first_unit = static_cast<int>(units_.size());
    while (p.used - p.start > shape_.n_local) {
        const int beyond = p.used - p.start - shape_.n_local;
        if (p.sinks < shape_.n_init) { // once at most: then there are enough, or nothing is beyond
            const int moved = std::min(shape_.n_init - p.sinks, beyond);
            leaving.sinks = p.sinks;
            leaving.sink_slot = p.start;
            leaving.sink_count = moved;
            p.sinks += moved;
            p.start += moved;
            for (int left = moved; left > 0 && !p.lengths.empty();) {
                const int taken = std::min(left, p.lengths.front());
                left -= taken;
                if ((p.lengths.front() -= taken) == 0)
                    p.lengths.pop_front();
            }
            continue;
        }
        if (shape_.topk == 0) { // nothing is ever looked up
            p.start += beyond;
            break;
        }
        const int length = p.lengths.empty() ? shape_.block_size : p.lengths.front();
        if (length > beyond)
            break;
        make_unit(length);
        if (!p.lengths.empty())
            p.lengths.pop_front();
    }
    leaving.end_unit = static_cast<int>(units_.size());
    leaving_.push_back(leaving);
}

void UnitStream::slide() {
    if (mark_ && !mark_->moved)
        copy_marked(false);
    // Copies of what is overwritten, and until now only to be found in the window.
    computing_.wait_for(kept_);
    const int kept = place_.used - place_.start;
    // What has moved must not lie where something is still to be moved from.
    for (int moved = 0; moved < kept; moved += place_.start)
        slide_window(range(0, model_.layers), moved, place_.start, std::min(place_.start, kept - moved), layout_,
                     plain_heads(), computing_);
    place_.base += place_.start;
    place_.used = kept;
    place_.start = 0;
}

// The window's rows as they were when they were marked, of all layers: keys, then values.
void UnitStream::copy_marked(bool back) {
    const size_t row = key_width() * sizeof(__half), pitch = static_cast<size_t>(layout_.rows) * row;
    const size_t part = static_cast<size_t>(mark_->place.used - mark_->place.start) * row;
    const int from = mark_->place.start;
    mark_->rows.resize(2 * part * layers_.size());
    char* here = mark_->rows.data();
    for (__half* rows : {keys_.data(), values_.data()}) {
        char* there = reinterpret_cast<char*>(rows + static_cast<size_t>(layout_.window_row + from) * key_width());
        if (part > 0 && back)
            check(cudaMemcpy2DAsync(there, pitch, here, part, part, layers_.size(), cudaMemcpyHostToDevice, computing_),
                  "a copy to the GPU failed");
        else if (part > 0)
            check(cudaMemcpy2DAsync(here, part, there, pitch, part, layers_.size(), cudaMemcpyDeviceToHost, computing_),
                  "a copy from the GPU failed");
        here += part * layers_.size();
    }
    computing_.wait();
    mark_->moved = !back;
}

void UnitStream::mark() {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    reserve_window();
    mark_.reset();
    // So that a question and its answer fit behind it.
    if (place_.start > 0)
        slide();
    auto mark = std::make_unique<Mark>();
    mark->place = place_;
    mark->units = units_.size();
    mark->received.reserve(received_.size());
    check(cudaMemcpyAsync(mark->received.data(), received_.data(), received_.size() * sizeof(float),
                          cudaMemcpyDeviceToDevice, computing_),
          "the GPU failed");
    computing_.wait();
    mark_ = std::move(mark);
}

void UnitStream::rewind() {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    if (!mark_)
        throw std::runtime_error("nothing was marked");
    computing_.wait();
    forget(mark_->units);
    place_ = mark_->place;
    if (mark_->moved) {
        copy_marked(true);
        slide_window(range(0, model_.layers), 0, 0, place_.used, layout_, plain_heads(), computing_);
    }
    check(cudaMemcpyAsync(received_.data(), mark_->received.data(), received_.size() * sizeof(float),
                          cudaMemcpyDeviceToDevice, computing_),
          "the GPU failed");
    const std::vector<int32_t> none(layers_.size(), -1);
    forced_count_.upload(none.data(), none.size());
    forces_ = false;
    computing_.wait();
}

} // namespace longread::gpu
