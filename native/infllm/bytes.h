// Numbers one after the other, as they lie in memory (little-endian), for what is kept in a file.
#pragma once
#include "engine/error.h"
#include <cstring>
#include <vector>

namespace longread {

// What a kept file begins with; `checksum` (CRC-32C) and `length` are of what follows.
struct KeptHeader {
    char magic[8];
    uint32_t version;
    uint32_t checksum;
    uint64_t length;

    explicit KeptHeader(const char (&kind)[9], uint32_t version = 1) : version(version), checksum(0), length(0) {
        std::memcpy(magic, kind, sizeof magic);
    }
    bool is_like(const KeptHeader& other) const {
        return std::memcmp(magic, other.magic, sizeof magic) == 0 && version == other.version;
    }
};

class ByteWriter {
  public:
    template <typename T> void put(const T& value) {
        static_assert(std::is_trivially_copyable<T>::value, "only numbers");
        const char* from = reinterpret_cast<const char*>(&value);
        bytes_.insert(bytes_.end(), from, from + sizeof value);
    }
    // Its length (64 bit), then its numbers.
    template <typename Numbers> void put_all(const Numbers& values) {
        put(static_cast<uint64_t>(values.size()));
        for (const auto& value : values)
            put(value);
    }
    template <typename T> void put_all(const std::vector<T>& values) {
        put(static_cast<uint64_t>(values.size()));
        const char* from = reinterpret_cast<const char*>(values.data());
        bytes_.insert(bytes_.end(), from, from + values.size() * sizeof(T));
    }
    const std::vector<char>& bytes() const { return bytes_; }

  private:
    std::vector<char> bytes_;
};

// Throws Error("bad-segment") where the bytes end too soon.
class ByteReader {
  public:
    explicit ByteReader(const std::vector<char>& bytes, size_t from, size_t end)
        : bytes_(bytes), at_(from), end_(end) {}

    template <typename T> T get() {
        need(sizeof(T));
        T value;
        std::memcpy(&value, bytes_.data() + at_, sizeof value);
        at_ += sizeof value;
        return value;
    }
    template <typename T> std::vector<T> get_all() {
        const uint64_t count = get<uint64_t>();
        if (count > (end_ - at_) / sizeof(T))
            damaged();
        std::vector<T> values(static_cast<size_t>(count));
        if (count > 0)
            std::memcpy(values.data(), bytes_.data() + at_, values.size() * sizeof(T));
        at_ += values.size() * sizeof(T);
        return values;
    }
    [[noreturn]] static void damaged() { throw Error("bad-segment", "What was kept of a stream is damaged."); }

  private:
    void need(size_t count) const {
        if (count > end_ - at_)
            damaged();
    }
    const std::vector<char>& bytes_;
    size_t at_, end_;
};

} // namespace longread
