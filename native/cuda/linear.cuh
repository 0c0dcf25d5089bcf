// Products with weights, by cuBLASLt, which is loaded when it is first needed.
#pragma once
#include "cuda/device.cuh"
#include <memory>
#include <tuple>

namespace longread::gpu {

// y [row][out] = x [row][in] · weight [out][in]: F16 with F32 sums, or 8-bit numbers with a scale a row. Either y is
// F16, or F32 and the product is added to what is there.
struct Product {
    int in = 0, out = 0;
    int stride = 0; // of y's rows
    bool adds = false;
    bool eight = false; // both factors in 8 bit; needs compute capability 9.0 and cuBLASLt 12.9

    bool operator<(const Product& other) const {
        return std::tie(in, out, stride, adds, eight) <
               std::tie(other.in, other.out, other.stride, other.adds, other.eight);
    }
};

// A matrix that is multiplied: halves, or e4m3 numbers (eights.cuh) with a scale [row].
struct Factor {
    const void* numbers;
    const float* scales = nullptr;

    Factor(const __half* halves) : numbers(halves) {}
    Factor(const uint8_t* eights, const float* scales_) : numbers(eights), scales(scales_) {}
};

class Linear {
  public:
    // `file`: libcublasLt.so. Throws std::runtime_error where it cannot be used.
    explicit Linear(const char* file);
    ~Linear();
    Linear(const Linear&) = delete;
    Linear& operator=(const Linear&) = delete;

    // All pointers are aligned to 16 bytes, and so are rows. Products of other shapes than those that were tuned take
    // what cuBLASLt expects to be the quickest. Off the reference by what F32 sums and rounding to F16 do; sums of
    // 8-bit numbers have 14 bits on Hopper.
    void multiply(const Product& product, Factor x, Factor weight, void* y, int rows, cudaStream_t stream);
    // Times what cuBLASLt proposes for so many rows and remembers the quickest, for all of the process: a text that is
    // read again gives the same numbers. y may be overwritten.
    void tune(const Product& product, Factor x, Factor weight, void* y, int rows, cudaStream_t stream);

  private:
    struct Plans;
    std::unique_ptr<Plans> plans_;
};

} // namespace longread::gpu
