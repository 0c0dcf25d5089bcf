#include "cuda/unit-pages.cuh"
#include <algorithm>
#include <cstring>
#include <sys/mman.h>
#include <thread>

namespace longread::gpu {
namespace {

// Of a piece: long enough that few are needed, short enough that little of the last one is wasted.
constexpr size_t piece_bytes = size_t{256} << 20;
constexpr size_t most_piece_tokens = 16384;
constexpr int touching_threads = 8; // 33 GB/s on an H100's host, where one made 5 and four 18; pinning made 41

} // namespace

UnitPages::UnitPages(int device, size_t token_bytes, size_t most_tokens, uint64_t limit)
    : device_(device), token_bytes_(token_bytes),
      piece_tokens_(std::max(most_tokens, std::min(most_piece_tokens, piece_bytes / token_bytes))), limit_(limit) {}

UnitPages::~UnitPages() {
    if (next_.valid()) {
        try {
            pieces_.push_back(next_.get());
        } catch (const std::exception&) { // there is nothing to give back
        }
    }
    for (const Piece& piece : pieces_)
        give_back(piece, piece_tokens_ * token_bytes_);
}

UnitPages::Piece UnitPages::take(int device, size_t bytes) {
    check(cudaSetDevice(device), "the GPU cannot be used");
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        throw std::runtime_error("there is no memory for units");
    Piece piece{static_cast<char*>(memory), 0};
    madvise(memory, bytes, MADV_HUGEPAGE); // quicker to take and to pin; where there are none, small ones serve
    std::vector<std::thread> workers;
    for (size_t t = 0; t < touching_threads; ++t)
        workers.emplace_back([=] {
            for (size_t at = bytes * t / touching_threads / 4096 * 4096; at < bytes * (t + 1) / touching_threads;
                 at += 4096)
                piece.here[at] = 0;
        });
    for (std::thread& worker : workers)
        worker.join();
    void* there = nullptr;
    const cudaError_t pinned = cudaHostRegister(memory, bytes, cudaHostRegisterPortable | cudaHostRegisterMapped);
    if (pinned != cudaSuccess || cudaHostGetDevicePointer(&there, memory, 0) != cudaSuccess) {
        if (pinned == cudaSuccess)
            cudaHostUnregister(memory);
        munmap(memory, bytes);
        check(pinned, "no pinned memory for units");
        throw std::runtime_error("the GPU cannot address the memory for units");
    }
    piece.there = reinterpret_cast<uint64_t>(there);
    return piece;
}

void UnitPages::give_back(const Piece& piece, size_t bytes) {
    cudaHostUnregister(piece.here);
    munmap(piece.here, bytes);
}

void UnitPages::take_next() {
    const size_t bytes = piece_tokens_ * token_bytes_;
    if (!next_.valid() && piece_ + 1 >= pieces_.size() && this->bytes() + bytes <= limit_)
        next_ = std::async(std::launch::async, take, device_, bytes);
}

bool UnitPages::has_room(size_t tokens) const {
    const size_t piece = piece_ + (!pieces_.empty() && at_ + tokens > piece_tokens_ ? 1 : 0);
    return piece < pieces_.size() || next_.valid() || bytes() + piece_tokens_ * token_bytes_ <= limit_;
}

UnitPages::Place UnitPages::add(size_t tokens) {
    if (!pieces_.empty() && at_ + tokens > piece_tokens_) {
        ++piece_;
        at_ = 0;
    }
    if (piece_ >= pieces_.size()) {
        take_next();
        if (!next_.valid())
            throw std::runtime_error("the memory for units is full: " + std::to_string(limit_ >> 20) + " MB");
        pieces_.push_back(next_.get());
    }
    const size_t byte = at_ * token_bytes_;
    const Place place{pieces_[piece_].here + byte, pieces_[piece_].there + byte, piece_, at_};
    at_ += tokens;
    if (at_ > piece_tokens_ / 8) // taking one may last nearly as long as filling one
        take_next();
    return place;
}

void UnitPages::go_back(const Place& place) {
    piece_ = place.piece;
    at_ = place.at;
}

} // namespace longread::gpu
