#include "memory/segment.h"
#include "memory/whole-file.h"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <nmmintrin.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace longread {
namespace {

// Raised whenever a byte of a segment changes its meaning; another version is read anew, never misread.
// 2: metadata before the keys, and a checksum for each.
constexpr uint32_t format_version = 2;
constexpr char magic[8] = {'L', 'O', 'N', 'G', 'R', 'E', 'A', 'D'};

struct Header {
    char magic[8];
    uint32_t version, format, head_size, key_heads, heads, units, tokens, metadata_bytes;
    uint32_t keys_crc;
    uint32_t head_crc; // of everything before the keys, this field taken as zero
    uint8_t padding[16];
};
static_assert(sizeof(Header) == 64, "the header is one line of 64 bytes");

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

constexpr size_t page = 4096;
// Nothing that is read is as long; longer metadata would be damage.
constexpr size_t longest_metadata = size_t{1} << 30;

[[noreturn]] void bad(const std::string& path, const char* why) {
    throw Error("bad-segment", path + " " + why + "; the file it belongs to is read again.");
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

Segment::Layout Segment::lay_out(const SegmentShape& s, size_t metadata_bytes) {
    Layout l{};
    l.starts = sizeof(Header);
    l.means = l.starts + aligned((s.units + size_t{1}) * sizeof(uint32_t));
    l.deviations = l.means + aligned(size_t{s.heads} * s.units * sizeof(float));
    l.metadata = l.deviations + aligned(size_t{s.heads} * s.units * sizeof(float));
    l.keys = (l.metadata + metadata_bytes + page - 1) / page * page;
    l.key_stride = aligned(key_bytes(s.format, static_cast<int>(s.head_size), static_cast<int>(s.tokens)));
    l.end = l.keys + l.key_stride * s.key_heads;
    return l;
}

Segment::Segment(const SegmentShape& shape) : shape_(shape), layout_(lay_out(shape, 0)), keys_state_(whole) {
    owned_.resize(layout_.end / sizeof(uint64_t));
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
    return std::string(reinterpret_cast<const char*>(data_ + layout_.metadata), metadata_bytes_);
}

bool Segment::keys_are_whole() const {
    int state = keys_state_.load(std::memory_order_acquire);
    if (state == unknown) {
        state = crc32c(0, data_ + layout_.keys, layout_.end - layout_.keys) == keys_crc_ ? whole : damaged;
        keys_state_.store(state, std::memory_order_release);
    }
    return state == whole;
}

void Segment::release_keys() const {
    // A hint: where it fails the pages stay, which is no error.
    if (mapped_)
        (void)madvise(const_cast<uint8_t*>(data_) + layout_.keys, layout_.end - layout_.keys, MADV_DONTNEED);
}

void Segment::expect_keys(uint32_t begin, uint32_t end) const {
    if (!mapped_ || begin >= end)
        return;
    // Hints, as above.
    const auto advise = [&](const void* from, const void* to, int advice) {
        const uintptr_t first = reinterpret_cast<uintptr_t>(from) / page * page;
        (void)madvise(reinterpret_cast<void*>(first), reinterpret_cast<uintptr_t>(to) - first, advice);
    };
    const size_t first = begin / group_tokens, last = (end - 1) / group_tokens + 1;
    const size_t group = size_t{group_tokens} * shape_.head_size;
    for (uint32_t k = 0; k < shape_.key_heads; ++k) {
        const KeyView view = keys(k);
        if (view.half) {
            advise(view.half + first * group, view.half + last * group, MADV_WILLNEED);
            continue;
        }
        advise(view.bytes + first * group, view.bytes + last * group, MADV_WILLNEED);
        advise(view.scales + first * group_tokens, view.scales + last * group_tokens, MADV_WILLNEED);
    }
}

void Segment::save(const std::string& path, const std::string& aside, const std::string& metadata) const {
    if (metadata.size() > longest_metadata)
        throw Error("usage", "The metadata of a segment are too long.");
    const Layout l = lay_out(shape_, metadata.size());
    std::vector<uint8_t> head(l.keys);
    std::memcpy(head.data(), data_, l.metadata);
    std::memcpy(head.data() + l.metadata, metadata.data(), metadata.size());
    const uint8_t* keys = data_ + layout_.keys;
    const size_t keys_bytes = layout_.end - layout_.keys;
    Header header;
    std::memcpy(&header, head.data(), sizeof header);
    header.metadata_bytes = static_cast<uint32_t>(metadata.size());
    header.keys_crc = crc32c(0, keys, keys_bytes);
    header.head_crc = 0;
    std::memcpy(head.data(), &header, sizeof header);
    header.head_crc = crc32c(0, head.data(), head.size());
    std::memcpy(head.data(), &header, sizeof header);

    const int file = open(aside.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (file < 0)
        disk_error(path, errno);
    write_whole(file, aside, path, {{head.data(), head.size()}, {keys, keys_bytes}});
}

std::shared_ptr<Segment> Segment::map(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0 && (errno == ENOENT || errno == ENOTDIR))
        throw Error("no-segment", path + " is not there.");
    if (file < 0)
        bad(path, "cannot be opened");
    struct stat info;
    void* mapping = MAP_FAILED;
    size_t length = 0;
    if (fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size >= static_cast<off_t>(sizeof(Header))) {
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
        header.key_heads > 65536 || header.heads > 65536 || header.units > limit || header.tokens > limit ||
        header.metadata_bytes > longest_metadata)
        bad(path, "is damaged");
    segment->shape_ = {static_cast<KeyFormat>(header.format),
                       header.head_size,
                       header.key_heads,
                       header.heads,
                       header.units,
                       header.tokens};
    segment->layout_ = lay_out(segment->shape_, header.metadata_bytes);
    segment->metadata_bytes_ = header.metadata_bytes;
    segment->keys_crc_ = header.keys_crc;
    if (segment->layout_.end != length)
        bad(path, "is cut or damaged");
    const uint32_t stored = header.head_crc;
    header.head_crc = 0;
    uint32_t crc = crc32c(0, &header, sizeof header);
    crc = crc32c(crc, segment->data_ + sizeof header, segment->layout_.keys - sizeof header);
    if (crc != stored)
        bad(path, "is damaged");
    const uint32_t* starts = segment->unit_starts();
    for (uint32_t u = 0; u < header.units; ++u)
        if (starts[u] > starts[u + 1])
            bad(path, "is damaged");
    if (starts[0] != 0 || starts[header.units] != header.tokens)
        bad(path, "is damaged");
    return segment;
}

std::shared_ptr<Segment> Segment::pick(const Segment& from, const std::vector<int>& units) {
    const uint32_t* starts = from.unit_starts();
    SegmentShape shape = from.shape();
    const uint32_t held = shape.units;
    shape.units = static_cast<uint32_t>(units.size());
    shape.tokens = 0;
    for (int u : units) {
        if (u < -1 || u >= static_cast<int>(held))
            throw Error("usage", "There is no unit " + std::to_string(u) + " to take keys from.");
        if (u >= 0)
            shape.tokens += starts[u + 1] - starts[u];
    }
    if (!from.keys_are_whole())
        throw Error("bad-segment", "What was read before is damaged; the file is read again.");
    auto to = std::make_shared<Segment>(shape);
    uint32_t tokens = 0;
    for (size_t i = 0; i < units.size(); ++i) {
        const int u = units[i];
        for (uint32_t h = 0; h < shape.heads; ++h) {
            const size_t at = h * size_t{shape.units} + i,
                         taken = h * size_t{held} + static_cast<size_t>(std::max(0, u));
            to->writable_means()[at] = u < 0 ? 0.0f : from.bank_means()[taken];
            to->writable_deviations()[at] = u < 0 ? 0.0f : from.bank_deviations()[taken];
        }
        if (u >= 0) {
            for (uint32_t k = 0; k < shape.key_heads; ++k)
                copy_keys(from.keys(k), static_cast<int>(starts[u]), static_cast<int>(starts[u + 1]),
                          to->writable_keys(k), static_cast<int>(shape.tokens), static_cast<int>(tokens));
            tokens += starts[u + 1] - starts[u];
        }
        to->writable_starts()[i + 1] = tokens;
    }
    return to;
}

} // namespace longread
