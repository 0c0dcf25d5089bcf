// A layer's weights on the GPU, in half precision or in 8 bit, and its products of them with rows.
#pragma once
#include "cuda/check.cuh"
#include "cuda/heads.cuh"
#include "cuda/interface.h"
#include "cuda/linear.cuh"

namespace longread::gpu {

// A matrix [row][width] as the products take it: halves, or 8-bit numbers with a scale a row.
struct Weights {
    Buffer<__half> halves;
    Buffer<uint8_t> eights;
    Buffer<float> scales;

    bool there() const { return halves.data() || eights.data(); }
    Factor from(size_t row, size_t width) const {
        return eights.data() ? Factor(eights.data() + row * width, scales.data() + row)
                             : Factor(halves.data() + row * width);
    }
    // from: F16 [row][width] of the processor; returns when it is there.
    void upload(const uint16_t* from, size_t rows, size_t width, bool eight, const Stream& stream);
};

struct LayerWeights {
    Weights qkv, output, gate_up, down;
    Buffer<float> attention_norm, feed_norm, qkv_bias, query_norm, key_norm;

    bool there() const { return down.there(); }
    void upload(const LongreadLayer& from, const LongreadShape& shape, const Stream& stream);
    Heads heads(const LongreadShape& shape, const float* turns) const;
};

// Rows as a shape's products take them. In 8 bit they are good until the next call.
class Rows {
  public:
    explicit Rows(bool eight) : eight_(eight) {}
    // For all that is multiplied at once in a batch of so many rows.
    void reserve(const LongreadShape& shape, int rows);
    Factor of(const __half* x, int rows, int width, cudaStream_t stream);
    // Whatever stands there: for trying out which product is quick.
    Factor any(const __half* x) const { return eight_ ? Factor(eights_.data(), scales_.data()) : Factor(x); }

  private:
    bool eight_;
    Buffer<uint8_t> eights_;
    Buffer<float> scales_;
};

struct LayerProducts {
    Product qkv, output, gate_up, down;
    explicit LayerProducts(const LongreadShape& shape);
};

// Before the first long read, while nothing that is overwritten matters; for shape.rows rows. wide: wide_halves().
void tune_products(Linear& linear, const LongreadShape& shape, const LayerWeights& weights, const Rows& rows,
                   __half* normed, __half* wide, float* x, cudaStream_t stream);

// Of a batch of so many rows: what attention takes and gives, or the feed-forward part of as many as are taken at once
// (shape.rows).
size_t wide_halves(const LongreadShape& shape, int rows);
// Bytes of the weights of all layers and of the embedding; and of so many rows: the residual, what is multiplied next,
// wide_halves().
uint64_t weight_bytes(const LongreadShape& shape);
uint64_t row_bytes(const LongreadShape& shape, int rows);

} // namespace longread::gpu
