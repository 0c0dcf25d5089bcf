#include "infllm/unit-tier.h"
#include "memory/segment.h"
#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace longread {
namespace {

constexpr size_t piece_bytes = size_t{32} << 20; // between two looks at whether it is still wanted

ggml_type type_of(UnitFormat format) {
    switch (format) {
    case UnitFormat::f32:
        return GGML_TYPE_F32;
    case UnitFormat::f16:
        return GGML_TYPE_F16;
    case UnitFormat::q8_0:
        return GGML_TYPE_Q8_0;
    }
    return GGML_TYPE_F16;
}

[[noreturn]] void disk_error(const char* what, const std::string& folder) {
    throw Error("disk", std::string("The units of the memory cannot be ") + what + " in " + folder + ": " +
                            std::strerror(errno) + ".");
}

int nameless_file(const std::string& folder) {
    const int file = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file >= 0)
        return file;
    // Some file systems have no files without a name.
    std::string path = folder + "/units-XXXXXX";
    const int named = mkostemp(path.data(), O_CLOEXEC);
    if (named < 0)
        disk_error("kept", folder);
    unlink(path.c_str());
    return named;
}

// All of `bytes` at an offset, whatever signals come between; false where it fails.
template <typename Call, typename Byte> bool transfer(Call call, int file, Byte* bytes, size_t count, off_t at) {
    for (size_t done = 0; done < count;) {
        const ssize_t moved = call(file, bytes + done, count - done, at + static_cast<off_t>(done));
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved <= 0)
            return false;
        done += static_cast<size_t>(moved);
    }
    return true;
}

} // namespace

UnitTier::UnitTier(const UnitTierShape& shape)
    : shape_(shape), type_(shape.format == UnitFormat::f32 ? GGML_TYPE_F32 : GGML_TYPE_F16),
      disk_type_(type_of(shape.format)), caches_(static_cast<size_t>(shape.layers)) {
    if (on_disk())
        file_ = nameless_file(shape_.folder);
}

UnitTier::~UnitTier() {
    if (file_ >= 0)
        close(file_);
    for (const Kept& kept : kept_files_)
        close(kept.file);
}

std::pair<int, off_t> UnitTier::place(int unit) const {
    if (unit >= kept_)
        return {file_, static_cast<off_t>(offset(unit) - offset(kept_))};
    const auto next = std::upper_bound(kept_files_.begin(), kept_files_.end(), unit,
                                       [](int unit, const Kept& kept) { return unit < kept.first; });
    const Kept& kept = *(next - 1);
    return {kept.file, static_cast<off_t>(offset(unit) - offset(kept.first))};
}

size_t UnitTier::record_bytes(int tokens) const {
    return 2 * ggml_row_size(disk_type_, shape_.width) * static_cast<size_t>(tokens);
}

size_t UnitTier::offset(int unit) const {
    return record_bytes(1) * static_cast<size_t>(shape_.layers) *
           static_cast<size_t>(starts_[static_cast<size_t>(unit)]);
}

// `rows`: [keys, values][token][width].
std::vector<char> UnitTier::in_memory(int tokens, const float* rows) const {
    const size_t width = static_cast<size_t>(shape_.width), count = static_cast<size_t>(tokens);
    const size_t values = width * count;
    std::vector<char> bytes(2 * values * ggml_type_size(type_));
    auto write = [&](auto* to, auto convert) {
        for (size_t i = 0; i < values; ++i)
            to[i] = convert(rows[i]);
        for (size_t t = 0; t < count; ++t)
            for (size_t d = 0; d < width; ++d)
                to[values + d * count + t] = convert(rows[values + t * width + d]);
    };
    if (type_ == GGML_TYPE_F32)
        write(reinterpret_cast<float*>(bytes.data()), [](float x) { return x; });
    else
        write(reinterpret_cast<ggml_fp16_t*>(bytes.data()), [](float x) { return ggml_fp32_to_fp16(x); });
    return bytes;
}

void UnitTier::remember(int layer, int unit, std::vector<char>&& bytes) {
    LayerCache& cache = caches_[static_cast<size_t>(layer)];
    const size_t most = static_cast<size_t>(shape_.max_cached_block);
    while (on_disk() && !cache.used.empty() && cache.used.size() >= most) {
        resident_ -= cache.used.back().bytes.size();
        cache.by_unit.erase(cache.used.back().unit);
        cache.used.pop_back();
    }
    resident_ += bytes.size();
    cache.used.push_front({unit, std::move(bytes)});
    cache.by_unit[unit] = cache.used.begin();
}

void UnitTier::add(int tokens, const float* rows) {
    const size_t part = 2 * static_cast<size_t>(shape_.width) * static_cast<size_t>(tokens);
    const int unit = units();
    if (!on_disk()) {
        std::vector<float> rounded;
        for (int layer = 0; layer < shape_.layers; ++layer) {
            const float* from = rows + part * static_cast<size_t>(layer);
            if (disk_type_ == GGML_TYPE_Q8_0) { // the same numbers with and without a disk
                raw_.resize(record_bytes(tokens));
                rounded.resize(part);
                ggml_quantize_chunk(disk_type_, from, raw_.data(), 0, 2 * tokens, shape_.width, nullptr);
                ggml_get_type_traits(disk_type_)->to_float(raw_.data(), rounded.data(), static_cast<int64_t>(part));
                from = rounded.data();
            }
            remember(layer, unit, in_memory(tokens, from));
        }
    } else {
        raw_.resize(record_bytes(tokens) * static_cast<size_t>(shape_.layers));
        const int64_t all = static_cast<int64_t>(part) * shape_.layers;
        if (disk_type_ == GGML_TYPE_F32)
            std::memcpy(raw_.data(), rows, raw_.size());
        else if (disk_type_ == GGML_TYPE_F16)
            ggml_fp32_to_fp16_row(rows, reinterpret_cast<ggml_fp16_t*>(raw_.data()), all);
        else
            ggml_quantize_chunk(disk_type_, rows, raw_.data(), 0, all / shape_.width, shape_.width, nullptr);
        const auto [file, at] = place(unit);
        if (!transfer(pwrite, file, raw_.data(), raw_.size(), at))
            disk_error("kept", shape_.folder);
        for (int layer = 0; layer < shape_.layers; ++layer)
            checksums_.push_back(
                crc32c(0, raw_.data() + record_bytes(tokens) * static_cast<size_t>(layer), record_bytes(tokens)));
    }
    starts_.push_back(starts_.back() + tokens);
}

const char* UnitTier::get(int layer, int unit) {
    LayerCache& cache = caches_[static_cast<size_t>(layer)];
    const auto found = cache.by_unit.find(unit);
    if (found != cache.by_unit.end()) {
        cache.used.splice(cache.used.begin(), cache.used, found->second);
        return cache.used.front().bytes.data();
    }
    const int count = tokens(unit);
    raw_.resize(record_bytes(count));
    const auto [file, at] = place(unit);
    if (!transfer(pread, file, raw_.data(), raw_.size(), at + static_cast<off_t>(raw_.size()) * layer))
        disk_error("read", shape_.folder);
    if (crc32c(0, raw_.data(), raw_.size()) !=
        checksums_[static_cast<size_t>(unit) * static_cast<size_t>(shape_.layers) + static_cast<size_t>(layer)])
        ByteReader::damaged();
    ++reads_;
    floats_.resize(2 * static_cast<size_t>(shape_.width) * static_cast<size_t>(count));
    if (disk_type_ == GGML_TYPE_F32)
        std::memcpy(floats_.data(), raw_.data(), raw_.size());
    else
        ggml_get_type_traits(disk_type_)->to_float(raw_.data(), floats_.data(), static_cast<int64_t>(floats_.size()));
    remember(layer, unit, in_memory(count, floats_.data()));
    return cache.used.front().bytes.data();
}

void UnitTier::expect(int layer, const std::vector<int>& units) const {
    if (!on_disk() || layer >= shape_.layers)
        return;
    const LayerCache& cache = caches_[static_cast<size_t>(layer)];
    for (int unit : units)
        if (!cache.by_unit.count(unit)) {
            const off_t bytes = static_cast<off_t>(record_bytes(tokens(unit)));
            const auto [file, at] = place(unit);
            posix_fadvise(file, at + bytes * layer, bytes, POSIX_FADV_WILLNEED);
        }
}

void UnitTier::keep(const std::string& path, ByteWriter& to, const Keeping& keeping) const {
    if (!on_disk())
        throw Error("usage", "Only a stream whose units rest on disk can be kept.");
    const uint64_t bytes = offset(units()) - offset(kept_);
    // Behind them may lie units that were forgotten.
    if (ftruncate(file_, static_cast<off_t>(bytes)) != 0)
        disk_error("kept", shape_.folder);
    for (uint64_t at = 0; at < bytes; at += piece_bytes) { // fsync alone would say nothing meanwhile
        keeping.cancel.check();
        sync_file_range(file_, static_cast<off_t>(at), piece_bytes,
                        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
        keeping.progress(std::min(bytes, at + piece_bytes), bytes);
    }
    const std::string own = "/proc/self/fd/" + std::to_string(file_);
    unlink(path.c_str());
    if (fsync(file_) != 0 || linkat(AT_FDCWD, own.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0)
        disk_error("kept", shape_.folder);
    std::vector<int> lengths;
    for (int unit = kept_; unit < units(); ++unit)
        lengths.push_back(tokens(unit));
    to.put_all(lengths);
    to.put_all(std::vector<uint32_t>(checksums_.begin() + kept_ * shape_.layers, checksums_.end()));
}

void UnitTier::keep_on() {
    const int next = nameless_file(shape_.folder);
    kept_files_.push_back({file_, kept_});
    file_ = next;
    kept_ = units();
}

void UnitTier::take(const std::string& path, ByteReader& from) {
    const std::vector<int> lengths = from.get_all<int>();
    const std::vector<uint32_t> checksums = from.get_all<uint32_t>();
    if (checksums.size() != lengths.size() * static_cast<size_t>(shape_.layers))
        ByteReader::damaged();
    for (int length : lengths) {
        if (length < 1 || length > INT_MAX - starts_.back())
            ByteReader::damaged();
        starts_.push_back(starts_.back() + length);
    }
    checksums_.insert(checksums_.end(), checksums.begin(), checksums.end());
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0)
        throw Error("no-segment", "Nothing was kept of this stream.");
    kept_files_.push_back({file, kept_});
    if (lseek(file, 0, SEEK_END) != static_cast<off_t>(offset(units()) - offset(kept_)))
        ByteReader::damaged();
    kept_ = units();
}

void UnitTier::truncate(int units) {
    if (units >= this->units())
        return;
    if (units < kept_)
        throw Error("internal", "What is kept of a stream cannot be forgotten.");
    starts_.resize(static_cast<size_t>(units) + 1);
    if (on_disk())
        checksums_.resize(static_cast<size_t>(units) * static_cast<size_t>(shape_.layers));
    for (LayerCache& cache : caches_)
        for (auto it = cache.used.begin(); it != cache.used.end();) {
            if (it->unit < units) {
                ++it;
                continue;
            }
            resident_ -= it->bytes.size();
            cache.by_unit.erase(it->unit);
            it = cache.used.erase(it);
        }
}

} // namespace longread
