// The representative keys of one layer's units, and which units a query means.
#pragma once
#include "infllm/bytes.h"
#include <ggml.h>
#include <vector>

namespace longread {

// Units that each list asks for, rising: one list for all heads, or one a head (perhead).
using UnitLists = std::vector<std::vector<int>>;

class UnitIndex {
  public:
    // `full`: keys are kept in F32; otherwise in halves.
    UnitIndex(int heads, int head_size, bool full) : heads_(heads), head_size_(head_size), full_(full) {}

    // Adds a unit. `keys`: [token][key heads * head size], `received`: [head][token] (with `stride` from head to head),
    // what each token was given of attention. The mean of the repr_topk best represents the unit; equal ones are taken
    // by age.
    void add(int tokens, int key_heads, const float* keys, const float* received, size_t stride, int repr_topk);
    void truncate(int units);
    int units() const { return units_; }
    void keep(ByteWriter& to, int first) const;
    // Throws Error("bad-segment") where it does not hold `units` of them.
    void take(ByteReader& from, int units);

    // Score of every unit, into `scores`: Σ over `heads` of them, from head `first` on, of query · representative.
    // `query`: [head][head size], the mean over an execution block.
    void score(const float* query, int first, int heads, std::vector<float>& scores) const;

  private:
    int heads_, head_size_;
    bool full_;
    int units_ = 0;
    // [unit][head][head size]
    std::vector<float> floats_;
    std::vector<ggml_fp16_t> halves_;
};

// Whether a unit may be looked up.
enum class Standing : uint8_t { never, may, first };

// The best units within a budget of `tokens`, best first by score (the older one where scores are equal), given rising:
// one that does not fit is left out, and smaller ones may still fit. At most `most` units. `standing`: of each unit;
// those that come first do so whatever the others score. Empty: all may.
std::vector<int> best_units(const std::vector<float>& scores, const std::vector<int>& lengths, int tokens, int most,
                            const std::vector<Standing>& standing = {});

} // namespace longread
