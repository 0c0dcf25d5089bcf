// Products with weights, by cuBLASLt, which is loaded when it is first needed.
#pragma once
#include "cuda/device.cuh"
#include <memory>

namespace longread::gpu {

// y [row][out] = x [row][in] · weight [out][in]: F16 with F32 sums. Either y is F16, or F32 and the product is added to
// what is there.
struct Product {
    int in = 0, out = 0;
    int stride = 0; // of y's rows
    bool adds = false;

    bool operator<(const Product& other) const {
        return in != other.in           ? in < other.in
               : out != other.out       ? out < other.out
               : stride != other.stride ? stride < other.stride
                                        : adds < other.adds;
    }
};

class Linear {
  public:
    // `file`: libcublasLt.so. Throws std::runtime_error where it cannot be used.
    explicit Linear(const char* file);
    ~Linear();
    Linear(const Linear&) = delete;
    Linear& operator=(const Linear&) = delete;

    // All pointers are aligned to 16 bytes, and so are rows. Products of other shapes than those that were tuned take
    // what cuBLASLt expects to be the quickest. Off the reference by what F32 sums and rounding to F16 do.
    void multiply(const Product& product, const __half* x, const __half* weight, void* y, int rows,
                  cudaStream_t stream);
    // Times what cuBLASLt proposes for so many rows and remembers the quickest; y is overwritten.
    void tune(const Product& product, const __half* x, const __half* weight, void* y, int rows, cudaStream_t stream);

  private:
    struct Plans;
    std::unique_ptr<Plans> plans_;
};

} // namespace longread::gpu
