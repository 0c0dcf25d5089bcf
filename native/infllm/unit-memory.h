// A stream read by InfLLM's method (parameters.h), whatever computes: the processor (infllm.h) or a GPU
// (engine/gpu-stream.h).
#pragma once
#include "engine/cancel.h"
#include "infllm/parameters.h"
#include "infllm/unit-index.h"
#include <climits>
#include <functional>
#include <utility>

namespace longread {

// Which units may be looked up: those that begin before token `before` of the stream; among them, ahead of all others,
// those that begin in one of the ranges of tokens `first` (end exclusive, rising).
struct Candidates {
    int before = INT_MAX;
    std::vector<std::pair<int, int>> first;

    bool all() const { return before == INT_MAX && first.empty(); }
};

// For what writes or reads gigabytes: whether it is still wanted, and who is told how many bytes of how many are done.
struct Keeping {
    const Cancel& cancel;
    std::function<void(uint64_t done, uint64_t total)> progress;
};

class UnitMemory {
  public:
    struct Totals {
        int tokens = 0, units = 0;
        size_t bytes = 0; // in memory: windows, representative keys, units; on a GPU both its own and what is pinned
        size_t unit_bytes = 0; // of these, units
        size_t disk_bytes = 0;
        long long reads = 0; // units that were fetched: from disk, or to the GPU
        bool gpu = false;
        size_t gpu_bytes = 0; // of `bytes`, those that are on a GPU; 0 where a processor reads
    };

    explicit UnitMemory(const InfLlmParameters& parameters) : p_(parameters) {}
    virtual ~UnitMemory() = default;
    UnitMemory(const UnitMemory&) = delete;
    UnitMemory& operator=(const UnitMemory&) = delete;

    // Says where the next tokens are cut into units: the lengths of units, of which those longer than block_size are
    // cut evenly. From the first call on every token must be said; without any call units have block_size tokens.
    // Throws Error("usage").
    virtual void cut(const std::vector<int>& lengths) = 0;
    virtual bool is_cut() const = 0;

    // Reads `count` tokens (at most most_tokens()), in execution blocks of which only the last may be shorter than
    // exc_block_size. `logits`: [row][vocabulary] of the tokens `rows`, numbered within these. Throws
    // Error("cancelled") with everything as it was before, so that it can be gone on from there; after Error("disk" |
    // "usage" | "internal") what was read is whole only up to the last mark, to which rewind() goes back.
    virtual void read(const int32_t* tokens, int count, const std::vector<int32_t>& rows, const Cancel& cancel,
                      std::vector<float>& logits) = 0;
    virtual int most_tokens() const = 0;

    // What is read after mark() is forgotten by rewind(), as often as wanted.
    virtual void mark() = 0;
    virtual void rewind() = 0;

    // Writes where the stream stands and what was read since the last save() or restore(), on a GPU all that was read,
    // to files, `path` with `.stream` and, but for a GPU's, `.units`. From all that were saved one after the other (on
    // a GPU: the last) another process can restore() it into a fresh memory of the same kind and model (whose weights
    // `identity` names) and parameters, also up to an earlier one. Throws Error("disk" | "usage" | "cancelled"), after
    // which the memory can be used on; restore Error("no-segment" | "bad-segment" | "disk" | "usage" | "cancelled"),
    // after which it is good for nothing.
    virtual void save(const std::string& path, const std::string& identity, const Keeping& keeping) = 0;
    virtual void restore(const std::vector<std::string>& paths, const std::string& identity,
                         const Keeping& keeping) = 0;

    // The units every layer uses from now on, instead of looking them up: [layer][list] (one list for all heads, or one
    // a head with perhead); a single layer's stand for all. Empty: they are looked up again. Throws Error("usage").
    virtual void use(const std::vector<UnitLists>& units) = 0;
    // Among which units those are looked up that are not given by use(), from now on; at first among all. Throws
    // Error("usage").
    virtual void look_among(const Candidates& candidates) = 0;
    // What each layer used last; empty for a layer that uses none.
    virtual const std::vector<UnitLists>& used_units() const = 0;
    // The same for execution block `block` of the last read.
    virtual std::vector<UnitLists> used_in(int block) const = 0;

    virtual int units() const = 0;
    virtual int unit_tokens(int unit) const = 0;
    virtual Totals totals() const = 0;
    const InfLlmParameters& parameters() const { return p_; }
    // Where each unit starts in the stream, and where the last one ends.
    std::vector<int> unit_starts() const;

  protected:
    // What use() refuses, for `layers` layers of `lists` lists each.
    void check_units(const std::vector<UnitLists>& units, size_t layers, size_t lists) const;
    // What look_among() refuses.
    static void check_candidates(const Candidates& candidates);
    // Units as they are made, of those that cut() is told; none is empty.
    std::vector<int> pieces_of(const std::vector<int>& lengths) const;

    const InfLlmParameters p_;
};

} // namespace longread
