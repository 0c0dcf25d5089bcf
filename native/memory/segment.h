// What stays of one read file (an episode): the keys of the recall heads' key heads and, for each unit and query head,
// mean and deviation of the reference questions' masses. Immutable once made; in memory or mapped from disk, the same
// parts:
//
//   Header | unit starts, u32[units + 1] (tokens) | bank means, f32[heads][units] | bank deviations, f32[heads][units]
//          | metadata, UTF-8 | keys of each key head (keys.h), one after the other
//
// Each part starts at a multiple of 64 bytes, keys at one of 4096, so that their pages hold nothing else.
// Little-endian. The header holds two CRC-32C: of everything before the keys, checked when a file is mapped, and of the
// keys, checked before they are first used; so a memory of gigabytes is back at once, and still nothing damaged is ever
// served.
#pragma once
#include "engine/error.h"
#include "memory/keys.h"
#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace longread {

struct SegmentShape {
    KeyFormat format = KeyFormat::q8;
    uint32_t head_size = 0, key_heads = 0, heads = 0, units = 0, tokens = 0;
};

class Segment {
  public:
    // A segment to be filled: unit starts, statistics and keys are zero.
    explicit Segment(const SegmentShape& shape);
    ~Segment();
    Segment(const Segment&) = delete;
    Segment& operator=(const Segment&) = delete;

    // Maps a file and checks all but its keys. Throws Error("no-segment") when there is none, Error("bad-segment") when
    // it is of another version, cut or damaged.
    static std::shared_ptr<Segment> map(const std::string& path);

    // Writes `aside` (a path on the same file system that nobody else writes), syncs it, renames it to `path` and syncs
    // the folder: when this returns, the segment outlives a crash. Throws Error("disk"); nothing is left half-written.
    void save(const std::string& path, const std::string& aside, const std::string& metadata) const;

    // Units of `from` in a new order: `units[u]` is a unit of `from`, or -1 for one without tokens. Throws
    // Error("usage") for a unit that `from` does not have.
    static std::shared_ptr<Segment> pick(const Segment& from, const std::vector<int>& units);

    // False when the keys are not what was written. Reads them once; afterwards it only tells.
    bool keys_are_whole() const;
    // Says that the keys of these tokens are used next: they are brought from disk at once, and nothing around them.
    void expect_keys(uint32_t begin, uint32_t end) const;
    // Lets the system take back the memory of mapped keys until they are used again. Nothing is lost.
    void release_keys() const;

    const SegmentShape& shape() const { return shape_; }
    size_t bytes() const { return layout_.end; }
    std::string metadata() const;

    const uint32_t* unit_starts() const { return at<uint32_t>(layout_.starts); }
    const float* bank_means() const { return at<float>(layout_.means); }
    const float* bank_deviations() const { return at<float>(layout_.deviations); }
    KeyView keys(uint32_t key_head) const;
    // All key heads' keys, and the bytes from one to the next.
    const uint8_t* all_keys() const { return data_ + layout_.keys; }
    size_t key_stride() const { return layout_.key_stride; }

    uint32_t* writable_starts() { return const_cast<uint32_t*>(unit_starts()); }
    float* writable_means() { return const_cast<float*>(bank_means()); }
    float* writable_deviations() { return const_cast<float*>(bank_deviations()); }
    uint8_t* writable_keys(uint32_t key_head);

  private:
    struct Layout {
        size_t starts, means, deviations, metadata, keys, key_stride, end;
    };
    Segment() = default;
    static Layout lay_out(const SegmentShape& shape, size_t metadata_bytes);
    template <typename T> const T* at(size_t offset) const { return reinterpret_cast<const T*>(data_ + offset); }

    SegmentShape shape_;
    Layout layout_{};
    size_t metadata_bytes_ = 0;
    const uint8_t* data_ = nullptr;
    std::vector<uint64_t> owned_; // the bytes, where they are not mapped
    size_t mapped_ = 0;           // length of the mapping
    uint32_t keys_crc_ = 0;       // with a mapping
    enum : int { unknown, whole, damaged };
    mutable std::atomic<int> keys_state_{unknown};
};

// CRC-32C (Castagnoli), by the SSE 4.2 instruction where there is one.
uint32_t crc32c(uint32_t seed, const void* data, size_t bytes);

} // namespace longread
