// cuda-bench [LIBCUBLASLT [WHAT]]: how fast the kernels are on the first GPU, a JSON line a figure; of the shape that
// WHAT names, of scoring questions ("questions"), of reading units again ("likelihoods") or of a stream read by
// InfLLM's method ("infllm", or "infllm-" and a shape's name; and " in 8 bit"; not among all, it takes minutes; with a
// number of tokens behind it how long each stage takes, up to so many, and behind that with "cut" where units are cut,
// with "repr=MB" where at most so many megabytes of representative keys are on the GPU;
// with a folder behind it units that memory does not hold rest in a file there, and with a number behind that memory
// holds at most so many GB) or of taking memory ("pinning") alone. Weights are random, and all layers have the same;
// only shapes matter.
#include "tests/cuda-bench.h"
#include <cstdlib>
#include <string>

namespace {

LongreadShape shape(int layers, int embedding, int feed_forward, int vocabulary, int heads, int key_heads,
                    int head_size, int rows) {
    LongreadShape s{};
    s.layers = layers;
    s.embedding = embedding;
    s.feed_forward = feed_forward;
    s.vocabulary = vocabulary;
    s.heads = heads;
    s.key_heads = key_heads;
    s.head_size = head_size;
    s.norm_epsilon = 1e-5f;
    s.attention_scale = head_size == 64 ? 0.125f : 0.0883883f;
    s.shift_length = 1.0f;
    s.rows = s.positions = rows;
    s.window = 2048;
    s.sinks = 4;
    return s;
}

} // namespace

int main(int count, char** arguments) {
    using namespace longread::gpu;
    BenchGpu gpu;
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0 ||
        cudaDeviceGetPCIBusId(gpu.bus_id, sizeof gpu.bus_id, 0) != cudaSuccess) {
        std::fprintf(stderr, "there is no GPU: %s\n", cudaGetErrorString(cudaGetLastError()));
        return 3;
    }
    if (count > 1)
        gpu.cublas = arguments[1];
    UnitRest rest;
    if (count > 3)
        rest.folder = arguments[3];
    if (count > 4)
        rest.host_bytes = static_cast<uint64_t>(std::atof(arguments[4]) * 1e9);
    const std::string only = count > 2 ? arguments[2] : "";
    const auto wanted = [&](const char* name) { return only.empty() || only == name; };
    const struct {
        const char* name;
        LongreadShape shape;
    } shapes[] = {{"SmolLM2-135M", shape(30, 576, 1536, 49152, 9, 3, 64, 32768)},
                  {"Qwen2.5-1.5B", shape(28, 1536, 8960, 151936, 12, 2, 128, 16384)},
                  {"Llama-3-8B", shape(32, 4096, 14336, 128256, 32, 8, 128, 16384)}};
    try {
        for (const auto& [name, read] : shapes)
            if (wanted(name)) {
                bench_reading(gpu, name, read);
                LongreadShape eight = read;
                eight.eight = 1;
                try {
                    bench_reading(gpu, (std::string(name) + " in 8 bit").c_str(), eight);
                } catch (const std::exception& error) { // a GPU before Hopper, or an older cuBLASLt
                    std::fprintf(stderr, "%s in 8 bit: %s\n", name, error.what());
                }
            }
        for (auto [name, read] : shapes) {
            read.rows = read.positions = 8192;
            if (wanted(name) || only == "likelihoods")
                bench_likelihoods(gpu, name, read);
        }
        for (int tokens : {64000, 500000, 1000000})
            for (int format : {LONGREAD_KEYS_Q8, LONGREAD_KEYS_F16})
                if (wanted("questions"))
                    bench_store(gpu, tokens, 64, format);
        const bool has_number = count > 3 && std::atoi(arguments[3]) > 0;
        bool cut = false;
        uint64_t repr_bytes = UINT64_MAX;
        for (int i = 4; has_number && i < count; ++i) {
            unsigned long long megabytes = 0;
            char more = 0;
            if (std::string(arguments[i]) == "cut")
                cut = true;
            else if (std::sscanf(arguments[i], "repr=%7llu%c", &megabytes, &more) == 1)
                repr_bytes = uint64_t{megabytes} << 20;
            else
                throw std::runtime_error(std::string("neither cut nor repr=MB: ") + arguments[i]);
        }
        for (auto [name, read] : shapes) // takes minutes
            for (const std::string in : {"", " in 8 bit"}) {
                read.eight = !in.empty();
                const std::string what = name + in;
                if (only != "infllm-" + what && (read.eight || only != "infllm"))
                    continue;
                if (has_number)
                    bench_stages(gpu, what.c_str(), read, std::atoi(arguments[3]), cut, repr_bytes);
                else
                    bench_infllm(gpu, what.c_str(), read, rest);
            }
        if (only == "pinning")
            bench_pinning();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
