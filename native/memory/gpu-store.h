// The keys of a store on a GPU, as copies of what segments hold, and questions scored there by our own kernels (cuda/).
#pragma once
#include "cuda/library.h"
#include "memory/segment.h"
#include <map>
#include <mutex>

namespace longread {

class GpuStore {
  public:
    // head_slot: of each query head its key head in the segments. Throws gpu::Failure.
    GpuStore(const gpu::Place& place, KeyFormat format, int head_size, const std::vector<int32_t>& head_slot);
    ~GpuStore();
    GpuStore(const GpuStore&) = delete;
    GpuStore& operator=(const GpuStore&) = delete;

    // Whether so many bytes of keys may be there.
    bool has_room(size_t bytes) const { return bytes <= most_; }

    // masses: [head][row][unit], units of the segments one after the other, minus infinity for one without tokens;
    // queries: [head][row][head size], scaled. Keys that are not there yet are copied. Throws gpu::Failure, also where
    // keys take more memory than they may.
    void score(const std::vector<std::shared_ptr<Segment>>& segments, const float* queries, int rows, float* masses);

  private:
    struct Held {
        std::weak_ptr<Segment> segment;
        uint64_t address;
        size_t bytes;
    };
    void hold(const std::vector<std::shared_ptr<Segment>>& segments);
    bool holds(const std::shared_ptr<Segment>& segment) const;
    [[noreturn]] void fail() const;

    gpu::Place place_;
    std::mutex lock_;
    LongreadStore* store_ = nullptr;
    std::map<const Segment*, Held> held_;
    // What was asked last, and its units: mostly the next question is asked of the same.
    std::vector<std::shared_ptr<Segment>> listed_;
    std::vector<LongreadUnit> units_;
    size_t used_ = 0, most_ = 0; // bytes there, of segments that are gone, too; and how many there may be
};

} // namespace longread
