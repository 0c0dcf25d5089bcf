// A stream on disk, part by part: of each what the window held at its end, and the units that came since the part
// before, with their representative keys. The units are in a file of their own, which is not copied: it only gets a
// name. A file `.stream` is two sections,
//
//   magic, version | CRC-32C and length of what follows | what it was made with (text), how many units are in parts
//   before, lengths and checksums of units, representative keys
//   magic, version | CRC-32C and length of what follows | window, sinks
//
// written aside, synced and renamed after the units have their name, so that a `.stream` is never there without them.
#include "infllm/infllm.h"
#include "memory/segment.h"
#include "memory/whole-file.h"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace longread {
namespace {

const KeptHeader empty("longstrm", 2);

constexpr size_t piece_bytes = size_t{8} << 20; // between two looks at whether it is still wanted

// Sections of a file, one after the other.
class Sections {
  public:
    explicit Sections(const std::string& path) : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
        if (file_ < 0)
            throw Error("no-segment", "Nothing was kept of this stream.");
        struct stat about;
        left_ = fstat(file_, &about) == 0 ? static_cast<uint64_t>(about.st_size) : 0;
    }
    ~Sections() { close(file_); }
    Sections(const Sections&) = delete;
    Sections& operator=(const Sections&) = delete;

    uint64_t left() const { return left_; }
    // Throws Error("bad-segment" | "cancelled").
    std::vector<char> next(const Cancel& cancel, const std::function<void(size_t)>& progress) {
        KeptHeader header = empty;
        get(&header, sizeof header);
        if (!header.is_like(empty) || header.length > left_)
            ByteReader::damaged();
        std::vector<char> bytes(static_cast<size_t>(header.length));
        for (size_t at = 0; at < bytes.size(); at += piece_bytes) {
            cancel.check();
            const size_t count = std::min(piece_bytes, bytes.size() - at);
            get(bytes.data() + at, count);
            progress(count);
        }
        if (header.checksum != crc32c(0, bytes.data(), bytes.size()))
            ByteReader::damaged();
        return bytes;
    }

  private:
    void get(void* to, size_t count) {
        for (size_t done = 0; done < count;) {
            const ssize_t got = ::read(file_, static_cast<char*>(to) + done, count - done);
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0)
                ByteReader::damaged();
            done += static_cast<size_t>(got);
        }
        left_ -= std::min<uint64_t>(left_, count);
    }
    int file_;
    uint64_t left_ = 0;
};

KeptHeader header_of(const ByteWriter& section) {
    KeptHeader header = empty;
    header.length = section.bytes().size();
    header.checksum = crc32c(0, section.bytes().data(), section.bytes().size());
    return header;
}

} // namespace

// All that decides what the bytes mean.
std::string InfLlm::described(const std::string& identity) const {
    const Hyper& h = model_.hyper;
    std::string text = identity;
    for (int number : {h.layers, h.heads, h.key_heads, h.head_size, p_.n_init, p_.n_local, p_.block_size, p_.topk,
                       p_.repr_topk, p_.exc_block_size, static_cast<int>(p_.perhead), p_.far(),
                       static_cast<int>(p_.places), static_cast<int>(p_.format)})
        text += " " + std::to_string(number);
    return text;
}

void InfLlm::save(const std::string& path, const std::string& identity, const Keeping& keeping) {
    mark();
    const Mark& mark = *mark_;
    const std::string name = path + ".stream";
    ByteWriter units, window;
    units.put_all(described(identity));
    units.put(tier_.kept());
    tier_.keep(path + ".units", units, keeping);
    for (const UnitIndex& index : index_)
        index.keep(units, tier_.kept());
    for (int number : {mark.base, mark.used, mark.position, mark.sinks, mark.units, static_cast<int>(mark.cut)})
        window.put(number);
    window.put_all(std::vector<int>(mark.lengths.begin(), mark.lengths.end()));
    for (size_t l = 0; l < layers_.size(); ++l) {
        window.put_all(mark.raw_keys[l]);
        window.put_all(mark.values[l]);
        window.put_all(mark.received[l]);
        window.put_all(layers_[l].sink_keys);
        window.put_all(layers_[l].sink_values);
    }
    const KeptHeader first = header_of(units), second = header_of(window);
    std::string aside = name + ".XXXXXX";
    const int file = mkostemp(aside.data(), O_CLOEXEC);
    if (file < 0)
        disk_error(name, errno);
    write_whole(file, aside, name,
                {{&first, sizeof first},
                 {units.bytes().data(), units.bytes().size()},
                 {&second, sizeof second},
                 {window.bytes().data(), window.bytes().size()}});
    tier_.keep_on();
}

void InfLlm::restore(const std::vector<std::string>& paths, const std::string& identity, const Keeping& keeping) {
    if (position_ > 0 || tier_.units() > 0)
        throw Error("usage", "Only a memory that has read nothing can take what was kept.");
    if (paths.empty())
        throw Error("usage", "There is nothing to take.");
    std::vector<std::unique_ptr<Sections>> files;
    uint64_t total = 0, done = 0;
    for (const std::string& path : paths) {
        files.push_back(std::make_unique<Sections>(path + ".stream"));
        total += files.back()->left(); // of earlier ones, units alone are read
    }
    const auto report = [&](size_t bytes) { keeping.progress(done += bytes, total); };
    for (size_t part = 0; part < paths.size(); ++part) {
        const std::vector<char> bytes = files[part]->next(keeping.cancel, report);
        ByteReader from(bytes, 0, bytes.size());
        const std::vector<char> made = from.get_all<char>();
        if (std::string(made.begin(), made.end()) != described(identity) || from.get<int>() != tier_.units())
            ByteReader::damaged();
        tier_.take(paths[part] + ".units", from);
        for (UnitIndex& index : index_)
            index.take(from, tier_.units());
        if (part + 1 < paths.size())
            total -= files[part]->left();
    }
    take_window(files.back()->next(keeping.cancel, report));
    if (files.back()->left() > 0)
        ByteReader::damaged();
}

void InfLlm::take_window(const std::vector<char>& bytes) {
    ByteReader from(bytes, 0, bytes.size());
    auto mark = std::make_unique<Mark>();
    int cut = 0;
    for (int* number : {&mark->base, &mark->used, &mark->position, &mark->sinks, &mark->units, &cut})
        *number = from.get<int>();
    mark->start = 0;
    mark->cut = cut != 0;
    const std::vector<int> lengths = from.get_all<int>();
    mark->lengths.assign(lengths.begin(), lengths.end());
    if (mark->used < 0 || mark->used > capacity_ || mark->sinks < 0 || mark->sinks > p_.n_init ||
        mark->units != tier_.units())
        ByteReader::damaged();
    const size_t rows = static_cast<size_t>(mark->used) * width() * ggml_type_size(type_);
    const size_t sinks = static_cast<size_t>(mark->sinks) * width();
    for (LayerState& state : layers_) {
        mark->raw_keys.push_back(from.get_all<char>());
        mark->values.push_back(from.get_all<char>());
        mark->received.push_back(from.get_all<float>());
        state.sink_keys = from.get_all<float>();
        state.sink_values = from.get_all<float>();
        const size_t received =
            state.received.size() / static_cast<size_t>(capacity_) * static_cast<size_t>(mark->used);
        if (mark->raw_keys.back().size() != rows || mark->values.back().size() != rows ||
            mark->received.back().size() != received || state.sink_keys.size() != sinks ||
            state.sink_values.size() != sinks)
            ByteReader::damaged();
    }
    mark_ = std::move(mark);
    rewind();
}

} // namespace longread
