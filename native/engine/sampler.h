// Which token comes next, from logits.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

struct llama_sampler;

namespace longread {

struct Sampling {
    float temperature = 0; // 0: the most likely token
    float top_p = 1;
    uint32_t seed = 0;
    int max_tokens = 256;
};

// libllama's own samplers, over our logits.
class Sampler {
  public:
    explicit Sampler(const Sampling& options);

    // `logits`: [vocabulary]. What it gives counts as taken.
    int32_t next(const std::vector<float>& logits);

  private:
    struct Free {
        void operator()(llama_sampler* sampler) const;
    };
    std::unique_ptr<llama_sampler, Free> chain_;
};

} // namespace longread
