// Where a stream's time goes: the GPU's time between events, by what was computed there. Nobody asks but cuda-bench,
// and while it does, all kernels of a stream run one after the other.
#pragma once
#include "cuda/check.cuh"
#include <array>
#include <deque>
#include <vector>

namespace longread::gpu {

// Expect and bring: choose and fetch, ahead of the block whose turn it is.
enum class Stage {
    products,
    rows,
    place,
    window,
    mean,
    score,
    expect,
    bring,
    choose,
    fetch,
    far,
    merge,
    receive,
    leave,
    logits,
    count
};
constexpr const char* stage_names[] = {"products", "rows",  "place", "window", "mean",    "score", "expect", "bring",
                                       "choose",   "fetch", "far",   "merge",  "receive", "leave", "logits"};
static_assert(sizeof stage_names / sizeof *stage_names == static_cast<size_t>(Stage::count));

class Stages {
  public:
    using Seconds = std::array<double, static_cast<size_t>(Stage::count)>;
    // The one that streams tell, or null.
    static Stages*& current() {
        static Stages* one = nullptr;
        return one;
    }

    void begin(cudaStream_t stream) { record(stream); }
    // What was sent since the last lap or the beginning is of this stage.
    void lap(Stage stage, cudaStream_t stream) {
        laps_.push_back(stage);
        record(stream);
    }
    // Adds what the laps so far took, and forgets them.
    void add_to(Seconds& seconds) {
        if (used_ > 0)
            events_[used_ - 1].wait();
        for (size_t i = 0; i < laps_.size(); ++i) {
            float took = 0;
            check(cudaEventElapsedTime(&took, events_[i], events_[i + 1]), "the GPU failed");
            seconds[static_cast<size_t>(laps_[i])] += static_cast<double>(took) / 1e3;
        }
        laps_.clear();
        used_ = 0;
    }

  private:
    void record(cudaStream_t stream) {
        if (used_ == events_.size())
            events_.emplace_back();
        events_[used_++].record(stream);
    }
    std::deque<Event> events_;
    size_t used_ = 0;
    std::vector<Stage> laps_;
};

inline void lap(Stage stage, cudaStream_t stream) {
    if (Stages* stages = Stages::current())
        stages->lap(stage, stream);
}

} // namespace longread::gpu
