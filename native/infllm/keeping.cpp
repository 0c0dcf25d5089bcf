// A stream on disk: what the window holds, representative keys, and the units in a file of their own, which is not
// copied: it only gets a name. A file `.stream` is
//
//   magic, version | length and CRC-32C of the rest | what it was made with (text) | window, sinks, indices, unit
//   starts and checksums
//
// written aside, synced and renamed after the units have their name, so that a `.stream` is never there without them.
#include "infllm/infllm.h"
#include "memory/segment.h"
#include "memory/whole-file.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace longread {
namespace {

const KeptHeader empty("longstrm");

std::vector<char> read_whole(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0)
        throw Error("no-segment", "Nothing was kept of this stream.");
    struct stat about;
    std::vector<char> bytes(fstat(file, &about) == 0 ? static_cast<size_t>(about.st_size) : 0);
    size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got = ::read(file, bytes.data() + done, bytes.size() - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += static_cast<size_t>(got);
    }
    close(file);
    if (done < bytes.size() || bytes.size() < sizeof(KeptHeader))
        ByteReader::damaged();
    return bytes;
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

void InfLlm::save(const std::string& path, const std::string& identity) {
    mark();
    const Mark& mark = *mark_;
    ByteWriter to;
    to.put_all(described(identity));
    for (int number : {mark.base, mark.used, mark.position, mark.sinks, mark.units, static_cast<int>(mark.cut)})
        to.put(number);
    to.put_all(std::vector<int>(mark.lengths.begin(), mark.lengths.end()));
    for (size_t l = 0; l < layers_.size(); ++l) {
        to.put_all(mark.raw_keys[l]);
        to.put_all(mark.values[l]);
        to.put_all(mark.received[l]);
        to.put_all(layers_[l].sink_keys);
        to.put_all(layers_[l].sink_values);
    }
    for (const UnitIndex& index : index_)
        index.keep(to);
    tier_.keep(path + ".units", to);
    KeptHeader header = empty;
    header.length = to.bytes().size();
    header.checksum = crc32c(0, to.bytes().data(), to.bytes().size());
    const std::string name = path + ".stream";
    std::string aside = name + ".XXXXXX";
    const int file = mkostemp(aside.data(), O_CLOEXEC);
    if (file < 0)
        disk_error(name, errno);
    write_whole(file, aside, name, {{&header, sizeof header}, {to.bytes().data(), to.bytes().size()}});
}

void InfLlm::restore(const std::string& path, const std::string& identity) {
    if (position_ > 0)
        throw Error("usage", "Only a memory that has read nothing can take what was kept.");
    const std::vector<char> bytes = read_whole(path + ".stream");
    KeptHeader header = empty;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (!header.is_like(empty) || header.length != bytes.size() - sizeof header ||
        header.checksum != crc32c(0, bytes.data() + sizeof header, bytes.size() - sizeof header))
        ByteReader::damaged();
    ByteReader from(bytes, sizeof header, bytes.size());
    const std::vector<char> made = from.get_all<char>();
    if (std::string(made.begin(), made.end()) != described(identity))
        ByteReader::damaged();
    auto mark = std::make_unique<Mark>();
    int cut = 0;
    for (int* number : {&mark->base, &mark->used, &mark->position, &mark->sinks, &mark->units, &cut})
        *number = from.get<int>();
    mark->start = 0;
    mark->cut = cut != 0;
    const std::vector<int> lengths = from.get_all<int>();
    mark->lengths.assign(lengths.begin(), lengths.end());
    if (mark->used < 0 || mark->used > capacity_ || mark->sinks < 0 || mark->sinks > p_.n_init)
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
    for (UnitIndex& index : index_)
        index.take(from, mark->units);
    tier_.take(path + ".units", from);
    if (tier_.units() != mark->units)
        ByteReader::damaged();
    mark_ = std::move(mark);
    rewind();
}

} // namespace longread
