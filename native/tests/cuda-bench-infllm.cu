#include "cuda/free-memory.h"
#include "tests/cuda-bench.h"
#include <algorithm>
#include <filesystem>

namespace longread::gpu {

LongreadStreamShape paper_shape(const LongreadShape& model) {
    LongreadStreamShape s{};
    s.model = model;
    s.n_init = 128;
    s.n_local = s.distance = 4096;
    s.block_size = 128;
    s.topk = 16;
    s.repr_topk = 4;
    s.max_cached_block = 32;
    s.exc_block_size = 512;
    s.model.rows = 4096;
    s.repr_bytes = UINT64_MAX; // as many as there is room for
    s.host_bytes = std::min<uint64_t>(longread::free_memory() / 5 * 4, 100'000'000'000);
    s.model.positions = longread_cuda_stream_positions(&s);
    expect(s.model.positions > 0);
    return s;
}

LongreadStream* random_stream(const BenchGpu& gpu, const LongreadStreamShape& s) {
    const RandomWeights weights(s.model);
    LongreadStream* stream = longread_cuda_stream_new(gpu.bus_id, gpu.cublas, &s, weights.turns.data(),
                                                      weights.embedding.data(), nullptr, weights.ones.data());
    expect(stream != nullptr);
    const LongreadLayer layer = weights.layer();
    for (int l = 0; l < s.model.layers; ++l)
        expect(longread_cuda_stream_layer(stream, l, &layer) == 0);
    return stream;
}

uint64_t unit_bytes_of_token(const LongreadStreamShape& s) {
    return uint64_t{4} * static_cast<uint64_t>(s.model.key_heads * s.model.head_size) *
           static_cast<uint64_t>(s.model.layers);
}

namespace {

// Tokens that are read before rates are taken, and over how many they are.
constexpr int lengths[] = {65536, 262144, 524288, 1048576};
constexpr int timed_tokens = 32768, decoded_tokens = 128;

size_t used_bytes() {
    size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "the GPU failed");
    return total - free;
}

LongreadStreamState state_of(LongreadStream* stream) {
    LongreadStreamState state{};
    expect(longread_cuda_stream_state(stream, &state) == 0);
    return state;
}

// Tokens a second, one after the other, each with its logits.
double decode(LongreadStream* stream, int vocabulary) {
    std::vector<float> logits(static_cast<size_t>(vocabulary));
    const int32_t row = 0;
    int32_t token = 1;
    expect(longread_cuda_stream_mark(stream) == 0);
    std::chrono::steady_clock::time_point start;
    for (int i = -8; i < decoded_tokens; ++i) { // the first ones take what only they need
        if (i == 0)
            start = std::chrono::steady_clock::now();
        expect(longread_cuda_stream_read(stream, &token, 1, &row, 1, logits.data()) == 0);
        token = static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    }
    const double seconds = seconds_since(start);
    expect(longread_cuda_stream_rewind(stream) == 0);
    return decoded_tokens / seconds;
}

} // namespace

void bench_infllm(const BenchGpu& gpu, const char* name, const LongreadShape& model, const UnitRest& rest) {
    LongreadStreamShape s = paper_shape(model);
    s.folder = rest.folder;
    if (rest.host_bytes > 0)
        s.host_bytes = std::min(s.host_bytes, rest.host_bytes);
    const uint64_t disk_bytes = rest.folder ? std::filesystem::space(rest.folder).available : 0;
    const size_t before = used_bytes();
    LongreadStream* stream = random_stream(gpu, s);
    const uint64_t token_bytes = unit_bytes_of_token(s);
    std::mt19937 random(2);
    std::vector<int32_t> tokens(static_cast<size_t>(s.model.rows));
    int read = 0;
    for (int length : lengths) {
        if (static_cast<uint64_t>(length) * token_bytes > s.host_bytes + disk_bytes) {
            std::printf("{\"bench\":\"infllm\",\"shape\":\"%s\",\"tokens\":%d,\"left\":\"units need %.0f GB, there are "
                        "%.0f of memory and %.0f on disk\"}\n",
                        name, length, static_cast<double>(length) * static_cast<double>(token_bytes) / 1e9,
                        static_cast<double>(s.host_bytes) / 1e9, static_cast<double>(disk_bytes) / 1e9);
            break;
        }
        std::chrono::steady_clock::time_point start;
        LongreadStreamState at{};
        for (; read < length; read += s.model.rows) {
            if (read == length - timed_tokens) {
                at = state_of(stream);
                start = std::chrono::steady_clock::now();
            }
            for (int32_t& token : tokens)
                token = static_cast<int32_t>(random() % static_cast<unsigned>(s.model.vocabulary));
            expect(longread_cuda_stream_read(stream, tokens.data(), s.model.rows, nullptr, 0, nullptr) == 0);
        }
        const double rate = timed_tokens / seconds_since(start);
        const LongreadStreamState now = state_of(stream);
        const double found = static_cast<double>(now.found - at.found),
                     fetched = static_cast<double>(now.fetched - at.fetched);
        std::printf("{\"bench\":\"infllm\",\"shape\":\"%s\",\"tokens\":%d,\"tokensPerSecond\":%.0f,"
                    "\"decodedPerSecond\":%.1f,\"gpuMegabytes\":%.0f,\"streamMegabytes\":%.0f,\"unitGigabytes\":%.1f,"
                    "\"diskGigabytes\":%.1f,\"foundShare\":%.3f}\n",
                    name, length, rate, decode(stream, s.model.vocabulary),
                    static_cast<double>(used_bytes() - before) / 1e6, static_cast<double>(now.gpu_bytes) / 1e6,
                    static_cast<double>(now.unit_bytes) / 1e9, static_cast<double>(now.disk_bytes) / 1e9,
                    found / std::max(1.0, found + fetched));
        std::fflush(stdout);
    }
    longread_cuda_stream_free(stream);
}

} // namespace longread::gpu
