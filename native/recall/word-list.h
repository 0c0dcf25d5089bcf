// Vectors of many words, 8 bits a number, and which of them lie near a word (extension/recall/kin.ts).
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace longread {

struct NearWord {
    int32_t word;
    int32_t product; // of the two vectors of 8-bit numbers
};

class WordList {
  public:
    // Of each number of a vector of length 1; larger ones are cut.
    static constexpr float scale = 254;

    // Adds words by their vectors, [word][size]; the size is that of the first.
    void add(const float* vectors, size_t words, size_t size);
    size_t words() const { return size_ == 0 ? 0 : numbers_.size() / size_; }

    // Of each asked word its nearest others, at most `most`, nearest first, of those with a place (not below 0) alone
    // and with at least `least` as their vectors' product. Of two equally near ones the one with the lower place comes
    // first. `places` are by word; asked words and places must be words of the list.
    std::vector<std::vector<NearWord>> near(const std::vector<int32_t>& asked, const std::vector<int32_t>& places,
                                            double least, size_t most, int threads) const;

  private:
    size_t size_ = 0;
    std::vector<int8_t> numbers_; // [word][size]
};

} // namespace longread
