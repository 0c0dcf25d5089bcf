#include "memory/gpu-store.h"
#include <algorithm>

namespace longread {
namespace {

// Of the GPU's free memory, so that the model has room to answer.
constexpr uint64_t largest_part = 2;

size_t key_bytes_of(const Segment& segment) { return segment.key_stride() * segment.shape().key_heads; }

} // namespace

GpuStore::GpuStore(const gpu::Place& place, KeyFormat format, int head_size, const std::vector<int32_t>& head_slot)
    : place_(place), most_(place.library->free_bytes(place.bus_id.c_str()) / largest_part) {
    store_ = place.library->store_new(place.bus_id.c_str(), static_cast<int32_t>(format), head_size,
                                      static_cast<int32_t>(head_slot.size()), head_slot.data());
    if (!store_)
        fail();
}

GpuStore::~GpuStore() {
    if (store_)
        place_.library->store_free(store_);
}

void GpuStore::fail() const { throw gpu::Failure(place_.library->error()); }

// Another segment may have come to lie where one was that is gone.
bool GpuStore::holds(const std::shared_ptr<Segment>& segment) const {
    const auto at = held_.find(segment.get());
    return at != held_.end() && at->second.segment.lock() == segment;
}

void GpuStore::hold(const std::vector<std::shared_ptr<Segment>>& segments) {
    size_t wanted = 0, missing = 0;
    for (const auto& segment : segments) {
        wanted += key_bytes_of(*segment);
        missing += holds(segment) ? 0 : key_bytes_of(*segment);
    }
    if (wanted > most_)
        throw gpu::Failure("their keys take more of the GPU's memory than is free for them");
    // Keys of files that have changed stay until they are as many as the others; then all are copied again.
    size_t alive = 0;
    for (const auto& [segment, held] : held_)
        alive += held.segment.expired() ? 0 : held.bytes;
    if (used_ + missing > most_ || used_ - alive > std::max(wanted, most_ / 8)) {
        if (place_.library->store_clear(store_) != 0)
            fail();
        held_.clear();
        used_ = 0;
    }
    for (const auto& segment : segments) {
        if (holds(segment))
            continue;
        Held held{segment, 0, key_bytes_of(*segment)};
        const uint8_t* keys = held.bytes > 0 ? segment->all_keys() : nullptr;
        if (place_.library->store_put(store_, keys, held.bytes, &held.address) != 0)
            fail();
        used_ += held.bytes;
        held_[segment.get()] = held;
    }
}

void GpuStore::score(const std::vector<std::shared_ptr<Segment>>& segments, const float* queries, int rows,
                     float* masses) {
    std::lock_guard<std::mutex> guard(lock_);
    if (listed_ != segments) {
        listed_.clear(); // those that are gone are not held any longer
        units_.clear();
        hold(segments);
        for (const auto& segment : segments) {
            const SegmentShape& shape = segment->shape();
            const uint32_t padded = static_cast<uint32_t>(groups_of(static_cast<int>(shape.tokens)) * group_tokens);
            const uint32_t* starts = segment->unit_starts();
            const uint64_t address = held_.at(segment.get()).address;
            for (uint32_t u = 0; u < shape.units; ++u)
                units_.push_back({address, segment->key_stride(), padded, starts[u], starts[u + 1], 0});
        }
        listed_ = segments;
    }
    if (place_.library->store_score(store_, units_.data(), static_cast<int32_t>(units_.size()), queries, rows,
                                    masses) != 0)
        fail();
}

} // namespace longread
