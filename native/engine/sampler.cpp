#include "engine/sampler.h"
#include <llama.h>

namespace longread {

void Sampler::Free::operator()(llama_sampler* sampler) const { llama_sampler_free(sampler); }

Sampler::Sampler(const Sampling& options) {
    chain_.reset(llama_sampler_chain_init(llama_sampler_chain_default_params()));
    if (options.temperature <= 0) {
        llama_sampler_chain_add(chain_.get(), llama_sampler_init_greedy());
        return;
    }
    llama_sampler_chain_add(chain_.get(), llama_sampler_init_top_p(options.top_p, 1));
    llama_sampler_chain_add(chain_.get(), llama_sampler_init_temp(options.temperature));
    llama_sampler_chain_add(chain_.get(), llama_sampler_init_dist(options.seed));
}

int32_t Sampler::next(const std::vector<float>& logits) {
    std::vector<llama_token_data> candidates(logits.size());
    for (size_t i = 0; i < logits.size(); ++i)
        candidates[i] = {static_cast<llama_token>(i), logits[i], 0.0f};
    llama_token_data_array all = {candidates.data(), candidates.size(), -1, false};
    llama_sampler_apply(chain_.get(), &all);
    const int32_t token = all.data[all.selected].id;
    llama_sampler_accept(chain_.get(), token);
    return token;
}

} // namespace longread
