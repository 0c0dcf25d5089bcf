// What a GPU has read by units, on disk: one file `.stream`,
//
//   magic, version | CRC-32C and length of the rest | what it was made with (text), whether it is cut | the stream as
//   its kernels put it (cuda/stream-keeping.cu)
//
// written aside, synced and renamed.
#include "engine/gpu-stream.h"
#include "infllm/bytes.h"
#include "memory/segment.h"
#include "memory/whole-file.h"
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace longread {
namespace {

const KeptHeader empty("longgpus");

constexpr uint64_t piece_bytes = uint64_t{32} << 20;

// A file that bytes are put into, or got from, one piece after the other.
struct Bytes {
    int file;
    KeptHeader sum; // of all that passed
    uint64_t left;  // to be got
    const Keeping& keeping;
    uint64_t total = 0; // about, for who is told
    int error = 0;
    bool short_ = false; // more was wanted than there is
    uint64_t moved = 0, synced = 0;

    bool stopped() const { return keeping.cancel.requested.load(std::memory_order_relaxed); }

    template <typename Move> bool move(char* at, uint64_t count, Move once) {
        if (stopped())
            return false;
        for (uint64_t done = 0; done < count;) {
            const ssize_t got = once(file, at + done, static_cast<size_t>(count - done));
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0) {
                error = got < 0 ? errno : 0;
                short_ = got == 0;
                return false;
            }
            done += static_cast<uint64_t>(got);
        }
        moved += count;
        keeping.progress(moved, std::max(total, moved));
        sum.checksum = crc32c(sum.checksum, at, static_cast<size_t>(count));
        sum.length += count;
        return true;
    }
    // Goes to the disk piece by piece: to sync all at the end would take seconds that nothing could stop.
    bool put(const void* from, uint64_t count) {
        char* at = static_cast<char*>(const_cast<void*>(from));
        for (uint64_t done = 0, now; done < count; done += now) {
            now = std::min(piece_bytes, count - done);
            if (!move(at + done, now, write))
                return false;
            if (moved - synced < piece_bytes)
                continue;
            sync_file_range(file, static_cast<off_t>(synced), static_cast<off_t>(moved - synced),
                            SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
            synced = moved;
        }
        return true;
    }
    bool get(void* to, uint64_t count) {
        if (count > left) {
            short_ = true;
            return false;
        }
        left -= count;
        return move(static_cast<char*>(to), count, read);
    }
};

int32_t put_bytes(void* to, const void* bytes, uint64_t count) {
    return static_cast<Bytes*>(to)->put(bytes, count) ? 0 : 1;
}
int32_t get_bytes(void* from, void* bytes, uint64_t count) {
    return static_cast<Bytes*>(from)->get(bytes, count) ? 0 : 1;
}

} // namespace

// All that decides what the bytes mean.
std::string GpuStream::described(const std::string& identity) const {
    const LongreadStreamShape& s = shape_;
    const LongreadShape& m = s.model;
    std::string text = identity;
    for (int number : {m.layers, m.heads, m.key_heads, m.head_size, static_cast<int>(m.eight), s.n_init, s.n_local,
                       s.block_size, s.topk, s.repr_topk, s.exc_block_size, s.distance})
        text += " " + std::to_string(number);
    return text;
}

void GpuStream::save(const std::string& path, const std::string& identity, const Keeping& keeping) {
    begin();
    const std::string name = path + ".stream", made = described(identity);
    std::string aside = name + ".XXXXXX";
    const Totals now = totals();
    Bytes to{mkostemp(aside.data(), O_CLOEXEC), empty, 0, keeping, now.unit_bytes + now.disk_bytes};
    if (to.file < 0)
        disk_error(name, errno);
    const uint32_t about[2] = {static_cast<uint32_t>(made.size()), cut_};
    int32_t status = 0;
    // The header has its place; what it says is known at last.
    bool put = to.put(&to.sum, sizeof to.sum);
    to.sum = empty;
    put = put && to.put(about, sizeof about) && to.put(made.data(), made.size());
    if (put)
        status = place_.library->stream_save(stream_, put_bytes, &to);
    put = put && to.error == 0 && !to.short_;
    if (put && status == 0 && pwrite(to.file, &to.sum, sizeof to.sum, 0) == static_cast<ssize_t>(sizeof to.sum))
        return write_whole(to.file, aside, name, {});
    const int error = to.error != 0 ? to.error : errno;
    close(to.file);
    unlink(aside.c_str());
    keeping.cancel.check();
    if (put)
        done(status);
    disk_error(name, error != 0 ? error : EIO);
}

void GpuStream::restore(const std::vector<std::string>& paths, const std::string& identity, const Keeping& keeping) {
    if (totals().tokens > 0 || cut_)
        throw Error("usage", "Only a memory that has read nothing can take what was kept.");
    if (paths.size() != 1)
        throw Error("usage", "A GPU takes one file, which holds all that was read.");
    const std::string& path = paths.front();
    keeping.cancel.check();
    struct File {
        int number;
        ~File() { close(number); }
    } const file{open((path + ".stream").c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.number < 0)
        throw Error("no-segment", "Nothing was kept of this stream.");
    struct stat about;
    const uint64_t size = fstat(file.number, &about) == 0 ? static_cast<uint64_t>(about.st_size) : 0;
    KeptHeader header = empty;
    Bytes from{file.number, empty, size, keeping, size};
    if (!from.get(&header, sizeof header) || !header.is_like(empty) || header.length != from.left)
        ByteReader::damaged();
    from.sum = empty;
    const std::string should = described(identity);
    uint32_t made[2] = {};
    if (!from.get(made, sizeof made) || made[0] != should.size() || made[1] > 1)
        ByteReader::damaged();
    std::string is(should.size(), ' ');
    if (!from.get(is.data(), is.size()) || is != should)
        ByteReader::damaged();
    begin();
    starts_known_ = false;
    const int32_t status = place_.library->stream_restore(stream_, get_bytes, &from);
    keeping.cancel.check();
    if (status == LONGREAD_NOT_KEPT || from.short_ || from.error != 0)
        ByteReader::damaged();
    done(status);
    if (from.left > 0 || from.sum.checksum != header.checksum)
        ByteReader::damaged();
    cut_ = made[1] != 0;
}

} // namespace longread
