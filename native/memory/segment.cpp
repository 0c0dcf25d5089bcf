#include "memory/segment.h"
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <nmmintrin.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace longread {
namespace {

// Raised whenever a byte of a segment changes its meaning; another version is read anew, never misread.
constexpr uint32_t format_version = 1;
constexpr char magic[8] = {'L', 'O', 'N', 'G', 'R', 'E', 'A', 'D'};

struct Header {
    char magic[8];
    uint32_t version, format, head_size, key_heads, heads, units, tokens, metadata_bytes;
    uint8_t padding[24];
};
static_assert(sizeof(Header) == 64, "the header is one line of 64 bytes");

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

[[noreturn]] void bad(const std::string& path, const char* why) {
    throw Error("bad-segment", path + " " + why + "; the file it belongs to is read again.");
}

[[noreturn]] void disk(const std::string& path, int number) {
    throw Error("disk", path + " could not be written: " + std::strerror(number) +
                            ". Free some space, give another --memory folder, or use --no-store.");
}

__attribute__((target("sse4.2"))) uint32_t crc_by_instruction(uint32_t crc, const uint8_t* p, size_t n) {
    uint64_t c = crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        std::memcpy(&word, p, 8);
        c = _mm_crc32_u64(c, word);
    }
    for (; n > 0; --n, ++p)
        c = _mm_crc32_u8(static_cast<uint32_t>(c), *p);
    return static_cast<uint32_t>(c);
}

uint32_t crc_by_bits(uint32_t crc, const uint8_t* p, size_t n) {
    for (; n > 0; --n, ++p) {
        crc ^= *p;
        for (int i = 0; i < 8; ++i)
            crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1u)));
    }
    return crc;
}

} // namespace

uint32_t crc32c(uint32_t seed, const void* data, size_t bytes) {
    const uint8_t* p = static_cast<const uint8_t*>(data);
    return ~(__builtin_cpu_supports("sse4.2") ? crc_by_instruction(~seed, p, bytes) : crc_by_bits(~seed, p, bytes));
}

Segment::Layout Segment::lay_out(const SegmentShape& s) {
    Layout l{};
    l.starts = sizeof(Header);
    l.means = l.starts + aligned((s.units + size_t{1}) * sizeof(uint32_t));
    l.deviations = l.means + aligned(size_t{s.heads} * s.units * sizeof(float));
    l.keys = l.deviations + aligned(size_t{s.heads} * s.units * sizeof(float));
    l.key_stride = aligned(key_bytes(s.format, static_cast<int>(s.head_size), static_cast<int>(s.tokens)));
    l.end = l.keys + l.key_stride * s.key_heads;
    return l;
}

Segment::Segment(const SegmentShape& shape) : shape_(shape), layout_(lay_out(shape)), size_(layout_.end) {
    owned_.resize(size_ / sizeof(uint64_t));
    data_ = reinterpret_cast<const uint8_t*>(owned_.data());
    Header header{};
    std::memcpy(header.magic, magic, sizeof magic);
    header.version = format_version;
    header.format = static_cast<uint32_t>(shape.format);
    header.head_size = shape.head_size;
    header.key_heads = shape.key_heads;
    header.heads = shape.heads;
    header.units = shape.units;
    header.tokens = shape.tokens;
    std::memcpy(owned_.data(), &header, sizeof header);
}

Segment::~Segment() {
    if (mapped_)
        munmap(const_cast<uint8_t*>(data_), mapped_);
}

KeyView Segment::keys(uint32_t key_head) const {
    return view_keys(shape_.format, static_cast<int>(shape_.head_size), static_cast<int>(shape_.tokens),
                     data_ + layout_.keys + layout_.key_stride * key_head);
}

uint8_t* Segment::writable_keys(uint32_t key_head) {
    return const_cast<uint8_t*>(data_) + layout_.keys + layout_.key_stride * key_head;
}

std::string Segment::metadata() const {
    return std::string(reinterpret_cast<const char*>(data_ + size_), metadata_bytes_);
}

void Segment::save(const std::string& path, const std::string& metadata) const {
    const std::string temporary = path + "." + std::to_string(getpid()) + ".tmp";
    const int file = open(temporary.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (file < 0)
        disk(path, errno);
    Header header;
    std::memcpy(&header, data_, sizeof header);
    header.metadata_bytes = static_cast<uint32_t>(metadata.size());
    uint32_t crc = crc32c(0, &header, sizeof header);
    crc = crc32c(crc, data_ + sizeof header, size_ - sizeof header);
    crc = crc32c(crc, metadata.data(), metadata.size());
    auto put = [&](const void* data, size_t bytes) {
        const char* p = static_cast<const char*>(data);
        while (bytes > 0) {
            const ssize_t written = write(file, p, bytes);
            if (written < 0 && errno == EINTR)
                continue;
            if (written <= 0)
                return false;
            p += written;
            bytes -= static_cast<size_t>(written);
        }
        return true;
    };
    const bool written = put(&header, sizeof header) && put(data_ + sizeof header, size_ - sizeof header) &&
                         put(metadata.data(), metadata.size()) && put(&crc, sizeof crc) && fdatasync(file) == 0;
    int failure = written ? 0 : errno;
    if (close(file) != 0 && !failure)
        failure = errno;
    if (!failure && rename(temporary.c_str(), path.c_str()) != 0)
        failure = errno;
    if (failure) {
        unlink(temporary.c_str());
        disk(path, failure);
    }
}

std::shared_ptr<Segment> Segment::map(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0)
        bad(path, "cannot be opened");
    struct stat info;
    void* mapping = MAP_FAILED;
    size_t length = 0;
    if (fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size >= static_cast<off_t>(sizeof(Header) + 4)) {
        length = static_cast<size_t>(info.st_size);
        mapping = mmap(nullptr, length, PROT_READ, MAP_PRIVATE, file, 0);
    }
    close(file);
    if (mapping == MAP_FAILED)
        bad(path, "is cut or cannot be mapped");
    std::shared_ptr<Segment> segment(new Segment());
    segment->data_ = static_cast<const uint8_t*>(mapping);
    segment->mapped_ = length; // from here on the destructor unmaps
    Header header;
    std::memcpy(&header, mapping, sizeof header);
    if (std::memcmp(header.magic, magic, sizeof magic) != 0 || header.version != format_version)
        bad(path, "is not a segment of this version");
    // Every number is bounded before it is multiplied, so that no size overflows.
    const uint32_t limit = 1u << 28;
    if ((header.format != 1 && header.format != 2) || header.head_size == 0 || header.head_size > 4096 ||
        header.key_heads > 65536 || header.heads > 65536 || header.units > limit || header.tokens > limit)
        bad(path, "is damaged");
    segment->shape_ = {static_cast<KeyFormat>(header.format),
                       header.head_size,
                       header.key_heads,
                       header.heads,
                       header.units,
                       header.tokens};
    segment->layout_ = lay_out(segment->shape_);
    segment->size_ = segment->layout_.end;
    segment->metadata_bytes_ = header.metadata_bytes;
    if (segment->size_ > length || segment->size_ + header.metadata_bytes + sizeof(uint32_t) != length)
        bad(path, "is cut or damaged");
    uint32_t stored;
    std::memcpy(&stored, segment->data_ + length - sizeof stored, sizeof stored);
    if (crc32c(0, mapping, length - sizeof stored) != stored)
        bad(path, "is damaged");
    const uint32_t* starts = segment->unit_starts();
    for (uint32_t u = 0; u < header.units; ++u)
        if (starts[u] > starts[u + 1])
            bad(path, "is damaged");
    if (starts[0] != 0 || starts[header.units] != header.tokens)
        bad(path, "is damaged");
    return segment;
}

} // namespace longread
