// Everything held for one workspace and profile: a segment a file. Scores questions over any of the files.
#pragma once
#include "engine/cancel.h"
#include "engine/model.h"
#include "memory/gpu-store.h"
#include "memory/segment.h"
#include "recall/ranking.h"
#include "recall/sketch.h"
#include <atomic>
#include <functional>
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

// A question's masses, and what its tokens and heads make of them.
struct Ranked {
    std::vector<float> scores;   // [unit]
    std::vector<double> spreads; // token_spreads()
    RankWeights weights;
    // [head][token][unit].
    std::shared_ptr<std::vector<float>> masses;
    size_t units = 0;

    MassesView view() const {
        return {masses->data(), nullptr, nullptr, weights.heads.size(), weights.tokens.size(), units};
    }
};

class Store {
  public:
    struct Part {
        std::shared_ptr<Segment> segment;
        size_t first_unit;
    };
    // Files in an order, with what is asked of them in every question: made once, as long as no file comes or goes.
    // Immutable, and good for what it holds even when the store goes on.
    struct Arrangement {
        std::vector<std::string> files;
        std::vector<Part> parts;
        size_t units = 0;
        std::vector<float> means, deviations;   // [head][unit]
        mutable std::atomic<bool> whole{false}; // all keys were found to be what was written
    };

    Store(RecallHeads heads, int head_size, KeyFormat format);

    void put(const std::string& file, std::shared_ptr<Segment> segment);
    void remove(const std::string& file);
    std::shared_ptr<Segment> get(const std::string& file) const;
    size_t bytes() const;

    // queries: [head][token][head size], scaled. Throws Error("usage") for a file that is not held, and
    // Error("bad-segment") where keys on disk are no longer what was written; damaged() then names the files.
    Scores score(const std::vector<std::string>& files, const float* queries, int tokens, int threads,
                 const Cancel& cancel) const;

    // Throws Error("usage") for a file that is not held.
    std::shared_ptr<const Arrangement> arrange(const std::vector<std::string>& files) const;

    // Scores of all units of an arrangement, as `score` and attention.ts give them. Throws as `score` does.
    Ranked rank(const Arrangement& arrangement, const float* queries, RankWeights weights, int threads,
                const Cancel& cancel) const;

    // From now on questions are scored by our own kernels on a GPU, whose memory then holds all keys, too; where they
    // do not fit or a kernel fails, here as before.
    void use_gpu(const gpu::Place& place);

    // For a store whose keys do not stay in memory: scores as `score` gives them, but estimated from sketches
    // (sketch.h). Masses are moved so that the exact bank means belong to them. Segments that have no sketch yet get
    // one, which reads all their keys and hears the bank; `progress` gets how many have one. Throws as `score` does,
    // and Error("usage") for a bank that does not fit.
    Scores estimate(const std::vector<std::string>& files, const float* queries, int tokens, const BankRows& bank,
                    int threads, const Cancel& cancel, const std::function<void(int)>& progress);

    // Exact masses of some units alone, [head][token][chosen unit]. `units` are numbers among all units of the files,
    // rising. Throws as `score` does, and Error("usage") for a unit that is not there.
    std::vector<float> score_units(const std::vector<std::string>& files, const std::vector<int>& units,
                                   const float* queries, int tokens, int threads, const Cancel& cancel) const;

    // True when keys are more than what may stay in memory, and no GPU has room for all of them.
    bool overflows() const;

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
    // The files' segments, and how many units they have.
    std::vector<Part> parts(const std::vector<std::string>& files, size_t& units) const;
    // [head][token][unit], into `masses`.
    void score_all(const Arrangement& arrangement, const float* queries, int tokens, int threads, const Cancel& cancel,
                   std::vector<float>& masses) const;
    // Runs `work` for each part whose keys are whole, on several threads; throws cancelled, and bad-segment for others.
    void over(const std::vector<std::string>& files, const std::vector<Part>& parts, int threads, const Cancel& cancel,
              const std::function<void(size_t)>& work) const;
    std::shared_ptr<GpuStore> gpu() const;
    // False where it failed, and will not be tried again.
    bool score_on(GpuStore& gpu, const std::vector<Part>& parts, const float* queries, int tokens,
                  std::vector<float>& masses) const;
    void copy_statistics(const Part& part, size_t units, float* means, float* deviations) const;
    void make_basis(const std::vector<Part>& parts, const BankRows& bank);

    RecallHeads heads_;
    int head_size_;
    KeyFormat format_;
    // Made of the first files that are estimated, and by segment; guarded by estimating_.
    std::mutex estimating_;
    std::unique_ptr<SketchBasis> basis_;
    std::map<const Segment*, std::pair<std::weak_ptr<Segment>, std::shared_ptr<Sketch>>> sketches_;
    mutable std::mutex lock_;
    mutable std::shared_ptr<GpuStore> gpu_; // null where there is none, or none any more
    std::map<std::string, std::shared_ptr<Segment>> segments_;
    mutable std::vector<std::string> damaged_;
    // Masses of the last question, to be used again once nobody looks at them: fresh memory of tens of megabytes costs
    // as much as what is computed in it.
    mutable std::shared_ptr<std::vector<float>> spare_;
    // 2 GiB: 1.8 million tokens of the default model.
    std::atomic<size_t> resident_{size_t{2} << 30};
};

} // namespace longread
