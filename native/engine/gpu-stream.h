// InfLLM's method on a GPU, by kernels of our own (cuda/stream.cuh), with a copy of the model's weights in half
// precision, or in 8 bit where that is asked for. Units rest in pinned memory of the processor, and those for which
// that is too small in the folder; max_cached_block of each layer are on the GPU, and their representative keys as far
// as there is room.
#pragma once
#include "cuda/library.h"
#include "engine/model.h"
#include "infllm/unit-memory.h"

namespace longread {

class GpuStream : public UnitMemory {
  public:
    // Weights are copied with the first read. Throws Error("gpu-unfit") where refusal() says why, or the GPU has too
    // little memory; so does every call for which it has, and Error("gpu-failed") after a fault, after which this
    // process can do nothing more on it.
    GpuStream(const gpu::Place& place, Model& model, const InfLlmParameters& parameters);
    ~GpuStream() override;

    void cut(const std::vector<int>& lengths) override;
    bool is_cut() const override { return cut_; }
    void read(const int32_t* tokens, int count, const std::vector<int32_t>& rows, const Cancel& cancel,
              std::vector<float>& logits) override;
    int most_tokens() const override { return shape_.model.rows; }
    void mark() override;
    void rewind() override;
    // One file, `path` with `.stream`, that no processor reads (engine/gpu-stream-keeping.cpp).
    void save(const std::string& path, const std::string& identity, const Keeping& keeping) override;
    void restore(const std::vector<std::string>& paths, const std::string& identity, const Keeping& keeping) override;
    void use(const std::vector<UnitLists>& units) override;
    void look_among(const Candidates& candidates) override;
    const std::vector<UnitLists>& used_units() const override;
    std::vector<UnitLists> used_in(int block) const override;
    int units() const override { return static_cast<int>(starts().size()) - 1; }
    int unit_tokens(int unit) const override {
        return starts()[static_cast<size_t>(unit) + 1] - starts()[static_cast<size_t>(unit)];
    }
    Totals totals() const override;

    // Empty where a GPU can read such a model with these parameters; otherwise why it cannot.
    static std::string refusal(const Model& model, const InfLlmParameters& parameters);

  private:
    void begin();
    void copy_weights();
    std::string described(const std::string& identity) const;
    void done(int32_t status) const;
    const std::vector<int32_t>& starts() const;

    gpu::Place place_;
    Model& model_;
    LongreadStreamShape shape_{};
    LongreadStream* stream_ = nullptr; // null until the first read
    bool cut_ = false;
    int blocks_ = 0;               // of the last read
    std::vector<int32_t> lengths_; // told before there is a stream
    // Asked for when they are wanted.
    mutable std::vector<int32_t> starts_;
    mutable std::vector<UnitLists> used_;
    mutable bool starts_known_ = false, used_known_ = false;
};

} // namespace longread
