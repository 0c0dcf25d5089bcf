// Keys and values of memory units: on disk, and those of each layer that were used last in memory; or all in memory.
//
// A record is one layer's part of one unit. On disk, in the unit's format: keys [token][width], then values
// [token][width], width = key heads * head size; the layers of a unit follow one another, so that what one layer looks
// up the system can bring for the next one meanwhile. In memory, F16 (F32 where units are F32): keys [token][width],
// then values [width][token], as attention multiplies them.
//
// What was kept of a stream are files, one after the other, that nobody writes any more; units that are added to them
// lie in another one, without a name. Each record read from disk is held against its checksum.
#pragma once
#include "infllm/bytes.h"
#include "infllm/parameters.h"
#include "infllm/unit-memory.h"
#include <ggml.h>
#include <list>
#include <sys/types.h>
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
    // Makes a file without a name, so that nothing stays when the process ends however it ends. Throws Error("disk").
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
    // Forgets all units from this one on, of which none is kept.
    void truncate(int units);

    // Gives the units that were added since the last keep_on() or take() a file of this name, synced, and writes what
    // else is known of them. Only with a folder. Throws Error("disk" | "usage" | "cancelled").
    void keep(const std::string& path, ByteWriter& to, const Keeping& keeping) const;
    // What keep() wrote stays as it is: further units go into another file. Throws Error("disk").
    void keep_on();
    // Takes what keep() wrote, after what was taken before. Throws Error("no-segment" | "bad-segment").
    void take(const std::string& path, ByteReader& from);
    // Units that are kept.
    int kept() const { return kept_; }

    int units() const { return static_cast<int>(starts_.size()) - 1; }
    int tokens(int unit) const { return starts_[static_cast<size_t>(unit) + 1] - starts_[static_cast<size_t>(unit)]; }
    // Of all units together.
    int tokens() const { return starts_.back(); }
    ggml_type type() const { return type_; } // in memory
    // Records read from disk so far, and bytes of those that are in memory.
    long long reads() const { return reads_; }
    size_t resident() const { return resident_; }
    size_t disk_bytes() const { return on_disk() ? offset(units()) : 0; }

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
    void remember(int layer, int unit, std::vector<char>&& bytes);
    bool on_disk() const { return !shape_.folder.empty(); }
    // The file that holds a unit, and where.
    std::pair<int, off_t> place(int unit) const;

    UnitTierShape shape_;
    ggml_type type_, disk_type_;
    struct Kept {
        int file, first; // unit
    };
    int file_ = -1;                // of the units from kept_ on
    std::vector<Kept> kept_files_; // of those before
    int kept_ = 0;
    std::vector<uint32_t> checksums_; // [unit][layer], of what is on disk
    std::vector<int> starts_{0};      // first token of each unit, counted over units, and the end
    std::vector<LayerCache> caches_;
    long long reads_ = 0;
    size_t resident_ = 0;
    std::vector<char> raw_;
    std::vector<float> floats_;
};

} // namespace longread
