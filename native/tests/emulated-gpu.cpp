#include "tests/emulated-gpu.h"
#include <csetjmp>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <sys/mman.h>
#include <ucontext.h>
#include <utility>

namespace longread::gpu::emulated {

bool backwards = false;
Index thread, block;
const std::vector<float> all_halves = [] {
    std::vector<float> values(65536);
    for (size_t bits = 0; bits < values.size(); ++bits)
        values[bits] = from_half(static_cast<uint16_t>(bits));
    return values;
}();

namespace {

struct Copy {
    void* to;
    const void* from;
    size_t bytes;
    bool valid;
};

void copy(const Copy& one) {
    if (one.valid)
        std::memcpy(one.to, one.from, one.bytes);
    else
        std::memset(one.to, 0, one.bytes);
}

struct Barrier {
    int waiting = 0;
    unsigned times = 0; // how often all have come
};

struct Fibre {
    ucontext_t context; // to enter it; from then on jumps, which ask nothing of the system
    jmp_buf at;
    bool entered = false;
    std::unique_ptr<char[]> stack;
    Barrier* waits = nullptr; // where it waits, and how often all had come before
    unsigned since = 0;
    bool ended = false;
    std::vector<std::vector<Copy>> copies; // by group; the last is not committed
};

constexpr size_t stack_bytes = 64 * 1024;

std::vector<Fibre> fibres;
int count = 0, current = 0, left = 0; // of the block's threads
jmp_buf scheduler_at;
const std::function<void()>* work = nullptr;
std::vector<uint64_t> shared;
Barrier whole;
std::vector<Barrier> warps;
std::vector<uint64_t> words; // [warp][lane][most_words]

void body() {
    (*work)();
    fibres[static_cast<size_t>(current)].ended = true;
    --left;
    _longjmp(scheduler_at, 1);
}

void resume(Fibre& fibre) {
    if (_setjmp(scheduler_at) != 0)
        return;
    if (fibre.entered)
        _longjmp(fibre.at, 1);
    fibre.entered = true;
    setcontext(&fibre.context);
}

// Threads that have ended are not waited for: kernels leave early by whole warps.
int present(int first, int end) {
    int threads = 0;
    for (int t = first; t < end; ++t)
        threads += !fibres[static_cast<size_t>(t)].ended;
    return threads;
}

void wait_at(Barrier& barrier, int first, int end) {
    Fibre& own = fibres[static_cast<size_t>(current)];
    if (++barrier.waiting == present(first, end)) {
        barrier.waiting = 0;
        ++barrier.times;
        return;
    }
    own.waits = &barrier;
    own.since = barrier.times;
    if (_setjmp(own.at) == 0)
        _longjmp(scheduler_at, 1);
}

int warp_of(int t) { return t / 32; }

// Each thread of a warp to where it waits next. False when none could go on.
bool run_warp(int warp) {
    const int first = warp * 32, end = std::min(count, first + 32);
    bool any = false;
    for (int i = first; i < end; ++i) {
        const int t = backwards ? first + end - 1 - i : i;
        Fibre& fibre = fibres[static_cast<size_t>(t)];
        if (fibre.ended || (fibre.waits && fibre.waits->times == fibre.since))
            continue;
        any = true;
        fibre.waits = nullptr;
        current = t;
        thread.x = static_cast<unsigned>(t);
        resume(fibre);
    }
    return any;
}

void run_block() {
    left = count;
    whole = Barrier{};
    warps.assign(static_cast<size_t>(count + 31) / 32, Barrier{});
    words.assign(warps.size() * 32 * most_words, 0);
    for (Fibre& fibre : fibres) {
        fibre.waits = nullptr;
        fibre.ended = fibre.entered = false;
        fibre.copies.assign(1, {});
        getcontext(&fibre.context);
        fibre.context.uc_stack.ss_sp = fibre.stack.get();
        fibre.context.uc_stack.ss_size = stack_bytes;
        fibre.context.uc_link = nullptr;
        makecontext(&fibre.context, body, 0);
    }
    const int all_warps = static_cast<int>(warps.size());
    while (left > 0) {
        bool any = false;
        // A warp goes on as far as it can before the next has its turn.
        for (int w = 0; w < all_warps; ++w)
            while (run_warp(backwards ? all_warps - 1 - w : w))
                any = true;
        if (!any) { // some threads wait for others that never come
            std::fputs("a kernel waits for ever\n", stderr);
            std::abort();
        }
    }
}

} // namespace

unsigned char* dynamic_shared() { return reinterpret_cast<unsigned char*>(shared.data()); }

void run(dim3 grid, int threads, size_t shared_bytes, const std::function<void()>& kernel) {
    count = threads;
    work = &kernel;
    while (fibres.size() < static_cast<size_t>(threads)) {
        fibres.emplace_back();
        fibres.back().stack.reset(new char[stack_bytes]);
    }
    fibres.resize(static_cast<size_t>(threads));
    for (unsigned i = 0; i < grid.x * grid.y; ++i) {
        const unsigned number = backwards ? grid.x * grid.y - 1 - i : i;
        block.x = number % grid.x;
        block.y = number / grid.x;
        shared.assign(shared_bytes / 8 + 1, ~uint64_t{0}); // NaNs
        run_block();
    }
}

void wait_for_block() { wait_at(whole, 0, count); }

void wait_for_warp() {
    const int warp = warp_of(current);
    wait_at(warps[static_cast<size_t>(warp)], warp * 32, std::min(count, warp * 32 + 32));
}

const uint64_t (*exchange(const uint64_t* mine, int number))[most_words] {
    auto* all = reinterpret_cast<uint64_t (*)[most_words]>(words.data() +
                                                           static_cast<size_t>(warp_of(current)) * 32 * most_words);
    std::copy_n(mine, number, all[current % 32]);
    wait_for_warp();
    return all;
}

void copy_later(void* to, const void* from, size_t bytes, bool valid) {
    if (reinterpret_cast<uintptr_t>(to) % bytes != 0 || reinterpret_cast<uintptr_t>(from) % bytes != 0) {
        std::fputs("a copy is not aligned to its bytes\n", stderr);
        std::abort();
    }
    if (backwards) // may come at once just as well
        copy({to, from, bytes, valid});
    else
        fibres[static_cast<size_t>(current)].copies.back().push_back({to, from, bytes, valid});
}

void commit_copies() { fibres[static_cast<size_t>(current)].copies.emplace_back(); }

void wait_for_copies(int pending) {
    auto& groups = fibres[static_cast<size_t>(current)].copies;
    while (static_cast<int>(groups.size()) - 1 > pending) {
        for (const Copy& one : groups.front())
            copy(one);
        groups.erase(groups.begin());
    }
}

} // namespace longread::gpu::emulated

namespace {

constexpr size_t page = 4096;
struct Taken {
    void* from;
    size_t bytes;
};
std::mutex taken_lock;
std::map<void*, Taken> taken; // by where it begins for its user

} // namespace

namespace {
thread_local cudaError_t last_failure = cudaSuccess;
}
cudaError_t failed(cudaError_t status) { return status != cudaSuccess ? last_failure = status : status; }
cudaError_t cudaGetLastError() { return std::exchange(last_failure, cudaSuccess); }

cudaError_t cudaMalloc(void** to, size_t bytes) {
    *to = nullptr;
    if (std::getenv("LONGREAD_EMULATED_FULL"))
        return failed(2);
    // A page that nobody may touch on both sides; what is taken lies right before the later one, or behind the other.
    const size_t rounded = (bytes + 15) / 16 * 16, pages = (rounded + page - 1) / page * page;
    void* from = mmap(nullptr, pages + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (from == MAP_FAILED)
        return failed(2);
    char* first = static_cast<char*>(from) + page;
    if (pages > 0 && mprotect(first, pages, PROT_READ | PROT_WRITE) != 0) {
        munmap(from, pages + 2 * page);
        return failed(2);
    }
    const bool behind = longread::gpu::emulated::backwards;
    char* begin = behind ? first : first + (pages - rounded);
    std::memset(begin, behind ? 0 : 0xff, rounded); // nobody may count on zeros, nor on bytes of a NaN
    std::lock_guard<std::mutex> guard(taken_lock);
    taken[begin] = {from, pages + 2 * page};
    *to = begin;
    return cudaSuccess;
}

cudaError_t cudaFree(void* p) {
    std::lock_guard<std::mutex> guard(taken_lock);
    const auto found = taken.find(p);
    if (found != taken.end()) {
        munmap(found->second.from, found->second.bytes);
        taken.erase(found);
    }
    return cudaSuccess;
}
