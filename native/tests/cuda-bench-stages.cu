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
    StageBench(const BenchGpu& gpu, const char* name, const LongreadStreamShape& shape, bool cut)
        : name_(name), shape_(shape), stream_(random_stream(gpu, shape_)),
          tokens_(static_cast<size_t>(shape_.model.rows)), logits_(static_cast<size_t>(shape_.model.vocabulary)),
          cut_(cut) {}
    ~StageBench() { longread_cuda_stream_free(stream_); }

    void run(int most) {
        const auto fits = [&](int length) {
            return length <= most && static_cast<uint64_t>(length) * unit_bytes_of_token(shape_) <= shape_.host_bytes;
        };
        // Memory for units that were forgotten is there when others are read.
        mark();
        std::vector<double> rates;
        const int first = std::min(most, 65536);
        for (int length = first; fits(length); length *= 4)
            rates.push_back(read_to(length));
        for (int i = 0; i < 3 * timed_reads && fits(at_ + shape_.model.rows); ++i)
            read();
        expect(longread_cuda_stream_rewind(stream_) == 0);
        at_ = cut_to_ = 0;
        size_t at = 0;
        for (int length = first; fits(length); length *= 4) {
            const double rate = read_to(length);
            std::printf("{\"bench\":\"infllm-memory\",\"shape\":\"%s\",\"tokens\":%d,\"tokensPerSecond\":%.0f,"
                        "\"whereMemoryIsThere\":%.0f,\"streamMegabytes\":%.0f,\"pinnedKeyMegabytes\":%.0f}\n",
                        name_, length, rates[at++], rate, static_cast<double>(state().gpu_bytes) / 1e6,
                        static_cast<double>(state().key_bytes) / 1e6);
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
    LongreadStreamState state() const {
        LongreadStreamState state{};
        expect(longread_cuda_stream_state(stream_, &state) == 0);
        return state;
    }
    void mark() { expect(longread_cuda_stream_mark(stream_) == 0); }
    void read() {
        if (cut_) {
            std::vector<int32_t> lengths;
            for (; cut_to_ < at_ + 2 * shape_.model.rows; cut_to_ += lengths.back())
                lengths.push_back(8 + static_cast<int32_t>(random_() % 81));
            expect(longread_cuda_stream_cut(stream_, lengths.data(), static_cast<int32_t>(lengths.size())) == 0);
        }
        for (int32_t& token : tokens_)
            token = static_cast<int32_t>(random_() % static_cast<unsigned>(shape_.model.vocabulary));
        expect(longread_cuda_stream_read(stream_, tokens_.data(), shape_.model.rows, nullptr, 0, nullptr) == 0);
        at_ += shape_.model.rows;
    }
    void decode() {
        const int32_t row = 0;
        expect(longread_cuda_stream_read(stream_, &token_, 1, &row, 1, logits_.data()) == 0);
        token_ = static_cast<int32_t>(std::max_element(logits_.begin(), logits_.end()) - logits_.begin());
    }

    void tell(int length) {
        mark();
        const int before = at_, cut_before = cut_to_;
        for (int i = 0; i < 3; ++i) // the window is kept when it moves for the first time
            read();
        double seconds = time(timed_reads, [&] { read(); }, nullptr);
        Stages::Seconds stages{};
        double serial = time(timed_reads, [&] { read(); }, &stages);
        print(length, "read", timed_reads, seconds, serial, stages);
        for (int i = 0; i < 4; ++i)
            decode();
        seconds = time(timed_tokens, [&] { decode(); }, nullptr);
        stages = {};
        serial = time(timed_tokens, [&] { decode(); }, &stages);
        print(length, "token", timed_tokens, seconds, serial, stages);
        expect(longread_cuda_stream_rewind(stream_) == 0);
        at_ = before;
        cut_to_ = cut_before;
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
    int32_t token_ = 1;
    bool cut_; // units are cut, from 8 to 88 tokens
    int cut_to_ = 0;
};

__global__ void idle_kernel(int* to) {
    if (to)
        *to = 1;
}

} // namespace

void bench_stages(const BenchGpu& gpu, const char* name, const LongreadShape& model, int most_tokens, bool cut,
                  uint64_t repr_bytes) {
    LongreadStreamShape shape = paper_shape(model);
    shape.repr_bytes = repr_bytes;
    StageBench(gpu, name, shape, cut).run(most_tokens);
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
