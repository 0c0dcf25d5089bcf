// Keys and values of memory units: on disk, and those of each layer that were used last in memory; or all in memory.
//
// A record is one layer's part of one unit. On disk, in the unit's format: keys [token][width], then values
// [token][width], width = key heads * head size; the layers of a unit follow one another, so that what one layer looks
// up the system can bring for the next one meanwhile. In memory, F16 (F32 where units are F32): keys [token][width],
// then values [width][token], as attention multiplies them.
#pragma once
#include "infllm/parameters.h"
#include <ggml.h>
#include <list>
#include <unordered_map>
#include <vector>

namespace longread {

struct UnitTierShape {
    int layers = 0; // that keep units
    int width = 0;
    int max_cached_block = 0;
    UnitFormat format = UnitFormat::f16;
    std::string folder; // where the file is made; empty: none
};

class UnitTier {
  public:
    // Makes the file and unlinks it at once, so that nothing stays when the process ends however it ends. Throws
    // Error("disk").
    explicit UnitTier(const UnitTierShape& shape);
    ~UnitTier();
    UnitTier(const UnitTier&) = delete;
    UnitTier& operator=(const UnitTier&) = delete;

    // Adds a unit: `rows` [layer][keys, values][token][width] F32. Throws Error("disk").
    void add(int tokens, const float* rows);
    // A record in memory, as written above. Good until the next call. Throws Error("disk").
    const char* get(int layer, int unit);
    // Says that these units of a layer are used soon.
    void expect(int layer, const std::vector<int>& units) const;
    // Forgets all units from this one on.
    void truncate(int units);

    int units() const { return static_cast<int>(starts_.size()) - 1; }
    int tokens(int unit) const { return starts_[static_cast<size_t>(unit) + 1] - starts_[static_cast<size_t>(unit)]; }
    // Of all units together.
    int tokens() const { return starts_.back(); }
    ggml_type type() const { return type_; } // in memory
    // Records read from disk so far, and bytes of those that are in memory.
    long long reads() const { return reads_; }
    size_t resident() const { return resident_; }
    size_t disk_bytes() const { return file_ < 0 ? 0 : offset(units()); }

  private:
    struct Cached {
        int unit;
        std::vector<char> bytes;
    };
    struct LayerCache {
        std::list<Cached> used; // last first
        std::unordered_map<int, std::list<Cached>::iterator> by_unit;
    };
    size_t offset(int unit) const;
    size_t record_bytes(int tokens) const; // on disk
    std::vector<char> in_memory(int tokens, const float* rows) const;
    void keep(int layer, int unit, std::vector<char>&& bytes);

    UnitTierShape shape_;
    ggml_type type_, disk_type_;
    int file_ = -1;
    std::vector<int> starts_{0}; // first token of each unit, counted over units, and the end
    std::vector<LayerCache> caches_;
    long long reads_ = 0;
    size_t resident_ = 0;
    std::vector<char> raw_;
    std::vector<float> floats_;
};

} // namespace longread
