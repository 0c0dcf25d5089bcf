#include "cuda/episodes.h"
#include "tests/cuda-bench.h"
#include <algorithm>

namespace longread::gpu {
namespace {

// As the default model's profile: 26 heads, 13 key heads; a question of 12 tokens; units of 70, files of 1,500 tokens.
constexpr int heads = 26, slots = 13, asked = 12, unit_tokens = 70, file_tokens = 1500;

} // namespace

void bench_store(const BenchGpu& gpu, int tokens, int head_size, int format) {
    std::vector<int32_t> head_slot;
    for (int h = 0; h < heads; ++h)
        head_slot.push_back(h % slots);
    LongreadStore* store = longread_cuda_store_new(gpu.bus_id, format, head_size, heads, head_slot.data());
    expect(store != nullptr);
    const uint64_t stride = packed_stride(format, head_size, file_tokens);
    // Bytes that are small numbers in either format: F16 below 2^-6, scales of 8-bit keys likewise.
    std::vector<uint8_t> keys(stride * slots);
    std::mt19937 random(1);
    for (size_t i = 0; i < keys.size(); ++i)
        keys[i] = static_cast<uint8_t>(i % 2 == 0 ? random() & 255 : 0x20 + random() % 4);
    std::vector<LongreadUnit> units;
    const auto loading = std::chrono::steady_clock::now();
    for (int first = 0; first < tokens; first += file_tokens) {
        uint64_t address = 0;
        expect(longread_cuda_store_put(store, keys.data(), keys.size(), &address) == 0);
        for (uint32_t begin = 0; begin < file_tokens; begin += unit_tokens)
            units.push_back({address, stride, (file_tokens + 15) / 16 * 16, begin,
                             std::min<uint32_t>(begin + unit_tokens, file_tokens), 0});
    }
    const double loaded = seconds_since(loading);
    const std::vector<float> queries(static_cast<size_t>(heads) * asked * head_size, 0.01f);
    std::vector<float> masses(static_cast<size_t>(heads) * asked * units.size());
    std::vector<double> took;
    for (int i = 0; i < 21; ++i) {
        const auto start = std::chrono::steady_clock::now();
        expect(longread_cuda_store_score(store, units.data(), static_cast<int32_t>(units.size()), queries.data(), asked,
                                         masses.data()) == 0);
        took.push_back(seconds_since(start) * 1000);
    }
    longread_cuda_store_free(store);
    std::sort(took.begin(), took.end());
    std::printf("{\"bench\":\"question\",\"tokens\":%d,\"keys\":\"%s\",\"units\":%zu,\"milliseconds\":%.2f,"
                "\"slowest\":%.2f,\"megabytes\":%.0f,\"secondsToCopy\":%.2f}\n",
                tokens, format == LONGREAD_KEYS_Q8 ? "q8" : "f16", units.size(), took[took.size() / 2], took.back(),
                static_cast<double>(keys.size()) * ((tokens + file_tokens - 1) / file_tokens) / 1e6, loaded);
    std::fflush(stdout);
}

} // namespace longread::gpu
