#include "cuda/stages.cuh"
#include "tests/cuda-bench.h"
#include <algorithm>
#include <atomic>
#include <string>
#include <sys/mman.h>
#include <thread>

namespace longread::gpu {
namespace {

constexpr int timed_reads = 8, timed_tokens = 32;

class StageBench {
  public:
    StageBench(const BenchGpu& gpu, const char* name, const LongreadShape& model)
        : name_(name), shape_(paper_shape(model)), stream_(random_stream(gpu, shape_)),
          tokens_(static_cast<size_t>(shape_.model.rows)), logits_(static_cast<size_t>(shape_.model.vocabulary)) {}
    ~StageBench() { longread_cuda_stream_free(stream_); }

    void run(int most) {
        // Memory for units that were forgotten is there when others are read.
        expect(longread_cuda_stream_mark(stream_) == 0);
        const int first = std::min(most, 65536);
        const double cold = read_to(first);
        expect(longread_cuda_stream_rewind(stream_) == 0);
        at_ = 0;
        const double warm = read_to(first);
        std::printf("{\"bench\":\"infllm-memory\",\"shape\":\"%s\",\"tokens\":%d,\"tokensPerSecond\":%.0f,"
                    "\"whereMemoryIsThere\":%.0f}\n",
                    name_, first, cold, warm);
        for (int length = first; length <= most; length *= 4) {
            if (static_cast<uint64_t>(length) * unit_bytes_of_token(shape_) > shape_.host_bytes)
                break;
            read_to(length);
            tell(length);
        }
    }

  private:
    // Tokens a second over the last reads.
    double read_to(int length) {
        std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
        int timed = 0;
        for (; at_ < length; ++timed) {
            if (at_ == length - timed_reads * shape_.model.rows) {
                start = std::chrono::steady_clock::now();
                timed = 0;
            }
            read();
        }
        return timed * shape_.model.rows / seconds_since(start);
    }
    void read() {
        for (int32_t& token : tokens_)
            token = static_cast<int32_t>(random_() % static_cast<unsigned>(shape_.model.vocabulary));
        expect(longread_cuda_stream_read(stream_, tokens_.data(), shape_.model.rows, nullptr, 0, nullptr) == 0);
        at_ += shape_.model.rows;
    }
    void decode() {
        const int32_t row = 0;
        int32_t token = static_cast<int32_t>(random_() % static_cast<unsigned>(shape_.model.vocabulary));
        expect(longread_cuda_stream_read(stream_, &token, 1, &row, 1, logits_.data()) == 0);
    }

    void tell(int length) {
        expect(longread_cuda_stream_mark(stream_) == 0);
        const int before = at_;
        double seconds = time(timed_reads, [&] { read(); }, nullptr);
        Stages::Seconds stages{};
        double serial = time(timed_reads, [&] { read(); }, &stages);
        print(length, "read", timed_reads, seconds, serial, stages);
        decode();
        seconds = time(timed_tokens, [&] { decode(); }, nullptr);
        stages = {};
        serial = time(timed_tokens, [&] { decode(); }, &stages);
        print(length, "token", timed_tokens, seconds, serial, stages);
        expect(longread_cuda_stream_rewind(stream_) == 0);
        at_ = before;
    }
    template <typename Work> double time(int times, const Work& work, Stages::Seconds* stages) {
        Stages clock;
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < times; ++i) {
            Stages::current() = stages ? &clock : nullptr;
            work();
            Stages::current() = nullptr;
            if (stages)
                clock.add_to(*stages);
        }
        return seconds_since(start);
    }
    void print(int length, const char* what, int times, double seconds, double serial,
               const Stages::Seconds& stages) const {
        const auto each = [&](double s) { return 1e3 * s / times; };
        std::printf("{\"bench\":\"infllm-stages\",\"shape\":\"%s\",\"tokens\":%d,\"of\":\"%s\",\"milliseconds\":%.3f,"
                    "\"oneByOne\":%.3f",
                    name_, length, what, each(seconds), each(serial));
        for (size_t i = 0; i < stages.size(); ++i)
            std::printf(",\"%s\":%.3f", stage_names[i], each(stages[i]));
        std::printf("}\n");
        std::fflush(stdout);
    }

    const char* name_;
    LongreadStreamShape shape_;
    LongreadStream* stream_;
    std::vector<int32_t> tokens_;
    std::vector<float> logits_;
    std::mt19937 random_{2};
    int at_ = 0;
};

__global__ void idle_kernel(int* to) {
    if (to)
        *to = 1;
}

} // namespace

void bench_stages(const BenchGpu& gpu, const char* name, const LongreadShape& model, int most_tokens) {
    StageBench(gpu, name, model).run(most_tokens);
}

void bench_pinning() {
    Stream stream;
    for (const size_t megabytes : {16, 64, 256})
        for (const int threads : {1, 4, 8, 16}) {
            const size_t bytes = megabytes << 20, pieces = (size_t{1} << 30) / bytes;
            double touching = 0, pinning = 0, slowest = 0;
            std::vector<char*> taken;
            std::atomic<bool> done{false};
            std::vector<double> starts;
            // Kernels that are started beside it.
            std::thread starting([&] {
                while (!done) {
                    const auto start = std::chrono::steady_clock::now();
                    launch(idle_kernel, dim3(1), 32, 0, stream, static_cast<int*>(nullptr));
                    starts.push_back(seconds_since(start));
                    stream.wait();
                }
            });
            for (size_t i = 0; i < pieces; ++i) {
                auto start = std::chrono::steady_clock::now();
                void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                if (memory == MAP_FAILED)
                    break;
                madvise(memory, bytes, MADV_HUGEPAGE);
                char* here = static_cast<char*>(memory);
                std::vector<std::thread> workers;
                for (int t = 0; t < threads; ++t)
                    workers.emplace_back([=] {
                        const size_t each = bytes / static_cast<size_t>(threads);
                        for (size_t at = each * static_cast<size_t>(t), end = at + each; at < end; at += 4096)
                            here[at] = 0;
                    });
                for (std::thread& worker : workers)
                    worker.join();
                touching += seconds_since(start);
                start = std::chrono::steady_clock::now();
                check(cudaHostRegister(memory, bytes, cudaHostRegisterPortable | cudaHostRegisterMapped), "no pinning");
                pinning += seconds_since(start);
                taken.push_back(here);
            }
            done = true;
            starting.join();
            std::sort(starts.begin(), starts.end());
            slowest = starts.empty() ? 0 : starts.back();
            Buffer<char> there(bytes);
            Event before, after;
            before.record(stream);
            for (char* one : taken)
                check(cudaMemcpyAsync(one, there.data(), bytes, cudaMemcpyDeviceToHost, stream), "a copy failed");
            after.record(stream);
            after.wait();
            float took = 0;
            check(cudaEventElapsedTime(&took, before, after), "the GPU failed");
            const double all = static_cast<double>(taken.size() * bytes) / 1e9;
            std::printf("{\"bench\":\"pinning\",\"megabytes\":%zu,\"threads\":%d,\"touchedGigabytesPerSecond\":%.1f,"
                        "\"pinnedGigabytesPerSecond\":%.1f,\"copiedGigabytesPerSecond\":%.1f,\"medianStart\":%.1f,"
                        "\"slowestStart\":%.1f}\n",
                        megabytes, threads, all / touching, all / pinning, all / (static_cast<double>(took) / 1e3),
                        starts.empty() ? 0.0 : starts[starts.size() / 2] * 1e6, slowest * 1e6);
            std::fflush(stdout);
            for (char* one : taken) {
                cudaHostUnregister(one);
                munmap(one, bytes);
            }
        }
}

} // namespace longread::gpu
