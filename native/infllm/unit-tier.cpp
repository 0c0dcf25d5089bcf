#include "infllm/unit-tier.h"
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace longread {
namespace {

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

} // namespace

UnitTier::UnitTier(const UnitTierShape& shape)
    : shape_(shape), type_(shape.format == UnitFormat::f32 ? GGML_TYPE_F32 : GGML_TYPE_F16),
      disk_type_(type_of(shape.format)), caches_(static_cast<size_t>(shape.layers)) {
    if (shape_.folder.empty())
        return;
    std::string path = shape_.folder + "/units-XXXXXX";
    file_ = mkostemp(path.data(), O_CLOEXEC);
    if (file_ < 0)
        disk_error("kept", shape_.folder);
    unlink(path.c_str());
}

UnitTier::~UnitTier() {
    if (file_ >= 0)
        close(file_);
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

void UnitTier::keep(int layer, int unit, std::vector<char>&& bytes) {
    LayerCache& cache = caches_[static_cast<size_t>(layer)];
    const size_t most = static_cast<size_t>(shape_.max_cached_block);
    while (file_ >= 0 && !cache.used.empty() && cache.used.size() >= most) {
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
    if (file_ < 0) {
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
            keep(layer, unit, in_memory(tokens, from));
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
        size_t done = 0;
        while (done < raw_.size()) {
            const ssize_t written =
                pwrite(file_, raw_.data() + done, raw_.size() - done, static_cast<off_t>(offset(unit) + done));
            if (written < 0 && errno == EINTR)
                continue;
            if (written <= 0)
                disk_error("kept", shape_.folder);
            done += static_cast<size_t>(written);
        }
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
    const size_t from = offset(unit) + raw_.size() * static_cast<size_t>(layer);
    size_t done = 0;
    while (done < raw_.size()) {
        const ssize_t got = pread(file_, raw_.data() + done, raw_.size() - done, static_cast<off_t>(from + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            disk_error("read", shape_.folder);
        done += static_cast<size_t>(got);
    }
    ++reads_;
    floats_.resize(2 * static_cast<size_t>(shape_.width) * static_cast<size_t>(count));
    if (disk_type_ == GGML_TYPE_F32)
        std::memcpy(floats_.data(), raw_.data(), raw_.size());
    else
        ggml_get_type_traits(disk_type_)->to_float(raw_.data(), floats_.data(), static_cast<int64_t>(floats_.size()));
    keep(layer, unit, in_memory(count, floats_.data()));
    return cache.used.front().bytes.data();
}

void UnitTier::expect(int layer, const std::vector<int>& units) const {
    if (file_ < 0 || layer >= shape_.layers)
        return;
    const LayerCache& cache = caches_[static_cast<size_t>(layer)];
    for (int unit : units)
        if (!cache.by_unit.count(unit)) {
            const size_t bytes = record_bytes(tokens(unit));
            posix_fadvise(file_, static_cast<off_t>(offset(unit) + bytes * static_cast<size_t>(layer)),
                          static_cast<off_t>(bytes), POSIX_FADV_WILLNEED);
        }
}

void UnitTier::truncate(int units) {
    if (units >= this->units())
        return;
    starts_.resize(static_cast<size_t>(units) + 1);
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
