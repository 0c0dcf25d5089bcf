// Everything held for one workspace and profile: a segment a file. Scores questions over any of the files.
#pragma once
#include "engine/cancel.h"
#include "engine/model.h"
#include "memory/segment.h"
#include <atomic>
#include <map>
#include <mutex>

namespace longread {

// A query head, and which of the profile's key heads it reads.
struct RecallHead {
    int layer = 0, head = 0;
    int key_slot = 0;
};

// The key heads (layer, key head) that a list of query heads reads, in order of layer and head, and each head's place
// there.
struct RecallHeads {
    std::vector<RecallHead> heads;
    std::vector<std::pair<int, int>> keys; // (layer, key head)

    // Throws Error("usage") for a head that the model does not have.
    static RecallHeads of(const Hyper& hyper, const std::vector<std::pair<int, int>>& heads);
};

// [head][token][unit] and [head][unit], units of the files in the order given.
struct Scores {
    std::vector<float> masses, means, deviations;
};

class Store {
  public:
    Store(RecallHeads heads, int head_size, KeyFormat format);

    void put(const std::string& file, std::shared_ptr<Segment> segment);
    void remove(const std::string& file);
    std::shared_ptr<Segment> get(const std::string& file) const;
    size_t bytes() const;

    // queries: [head][token][head size], scaled. Throws Error("usage") for a file that is not held, and
    // Error("bad-segment") where keys on disk are no longer what was written; damaged() then names the files.
    Scores score(const std::vector<std::string>& files, const float* queries, int tokens, int threads,
                 const Cancel& cancel) const;

    // Bytes up to which mapped keys stay in memory between questions; of a larger store they are given back as soon as
    // they were used, and the system keeps what it has room for.
    void keep_resident(size_t bytes) { resident_.store(bytes); }

    // Files whose keys the last questions found damaged, once.
    std::vector<std::string> take_damaged();

    // True when a segment from disk was made for these heads and this format.
    bool fits(const SegmentShape& shape) const;
    const RecallHeads& heads() const { return heads_; }
    size_t head_size() const { return static_cast<size_t>(head_size_); }

  private:
    RecallHeads heads_;
    int head_size_;
    KeyFormat format_;
    mutable std::mutex lock_;
    std::map<std::string, std::shared_ptr<Segment>> segments_;
    mutable std::vector<std::string> damaged_;
    // 2 GiB: 1.8 million tokens of the default model.
    std::atomic<size_t> resident_{size_t{2} << 30};
};

} // namespace longread
