// Where units rest: memory of the processor that the GPU reads by itself. It is taken in large pieces, the next one
// beside the reading, since giving a process memory and pinning it is slower than reading.
#pragma once
#include "cuda/check.cuh"
#include <future>
#include <vector>

namespace longread::gpu {

class UnitPages {
  public:
    struct Place {
        char* here = nullptr;
        uint64_t there = 0; // as the GPU addresses it
        size_t piece = 0, at = 0;
    };

    // token_bytes: of all layers. most_tokens: of a unit. limit: bytes that are taken at most.
    UnitPages(int device, size_t token_bytes, size_t most_tokens, uint64_t limit);
    ~UnitPages();
    UnitPages(const UnitPages&) = delete;
    UnitPages& operator=(const UnitPages&) = delete;

    // Whether add() finds room for a unit.
    bool has_room(size_t tokens) const;
    // For a unit, after all that were placed before. Throws std::runtime_error where there is no memory.
    Place add(size_t tokens);
    // The next is placed where this one was.
    void go_back(const Place& place);
    uint64_t bytes() const { return pieces_.size() * piece_tokens_ * token_bytes_; }

  private:
    struct Piece {
        char* here = nullptr;
        uint64_t there = 0;
    };
    static Piece take(int device, size_t bytes);
    static void give_back(const Piece& piece, size_t bytes);
    void take_next();

    int device_;
    size_t token_bytes_, piece_tokens_;
    uint64_t limit_;
    std::vector<Piece> pieces_;
    std::future<Piece> next_;
    size_t piece_ = 0, at_ = 0; // where the next unit begins, in tokens
};

} // namespace longread::gpu
