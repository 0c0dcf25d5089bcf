// What stays of one read file (an episode): the keys of the recall heads' key heads and, for each unit and query head,
// mean and deviation of the reference questions' masses. Immutable once made; in memory or mapped from disk, the same
// bytes:
//
//   Header | unit starts, u32[units + 1] (tokens) | bank means, f32[heads][units] | bank deviations, f32[heads][units]
//          | keys of each key head (keys.h), one after the other | metadata, UTF-8 | CRC-32C of everything before, u32
//
// Each part starts at a multiple of 64 bytes. Little-endian.
#pragma once
#include "engine/error.h"
#include "memory/keys.h"
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

    // Maps a file. Throws Error("bad-segment") when it is of another format, cut, or fails its checksum.
    static std::shared_ptr<Segment> map(const std::string& path);
    // Writes a temporary file beside `path`, syncs it, renames it. Throws Error("disk"); nothing is left half-written.
    void save(const std::string& path, const std::string& metadata) const;

    const SegmentShape& shape() const { return shape_; }
    size_t bytes() const { return size_; }
    std::string metadata() const;

    const uint32_t* unit_starts() const { return at<uint32_t>(layout_.starts); }
    const float* bank_means() const { return at<float>(layout_.means); }
    const float* bank_deviations() const { return at<float>(layout_.deviations); }
    KeyView keys(uint32_t key_head) const;

    uint32_t* writable_starts() { return const_cast<uint32_t*>(unit_starts()); }
    float* writable_means() { return const_cast<float*>(bank_means()); }
    float* writable_deviations() { return const_cast<float*>(bank_deviations()); }
    uint8_t* writable_keys(uint32_t key_head);

  private:
    struct Layout {
        size_t starts, means, deviations, keys, key_stride, end;
    };
    Segment() = default;
    static Layout lay_out(const SegmentShape& shape);
    template <typename T> const T* at(size_t offset) const { return reinterpret_cast<const T*>(data_ + offset); }

    SegmentShape shape_;
    Layout layout_{};
    const uint8_t* data_ = nullptr;
    size_t size_ = 0; // without metadata and checksum
    size_t metadata_bytes_ = 0;
    std::vector<uint64_t> owned_; // the bytes, where they are not mapped
    size_t mapped_ = 0;           // length of the mapping
};

// CRC-32C (Castagnoli), by the SSE 4.2 instruction where there is one.
uint32_t crc32c(uint32_t seed, const void* data, size_t bytes);

} // namespace longread
