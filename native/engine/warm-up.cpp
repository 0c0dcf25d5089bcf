#include "engine/warm-up.h"
#include "engine/context.h"

namespace longread {
namespace {

struct Step {
    int count; // tokens
    Wanted wanted;
};

std::vector<int32_t> rows_of(int count) {
    std::vector<int32_t> rows(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i)
        rows[static_cast<size_t>(i)] = i;
    return rows;
}

// ggml-cuda chooses among kernels by how many tokens a batch has, and by how many rows of it give logits.
std::vector<Step> steps_of(int layers, const std::vector<int>& watch) {
    std::vector<Step> steps(warm_up_steps);
    // A file's tokens, as deep as the deepest layer, with which our own kernels are compared; and a short question's.
    steps[0].count = batch_tokens;
    steps[1].count = 24;
    for (size_t s : {0, 1}) {
        steps[s].wanted.keys = {layers - 1};
        steps[s].wanted.queries = {layers - 1};
        steps[s].wanted.stop_early = true;
    }
    // A question after a unit that is read again; and after one that was read before.
    steps[2].count = 200;
    steps[3].count = 12;
    for (size_t s : {2, 3})
        steps[s].wanted.rows = rows_of(12);
    // The end of a prompt, of which the first word comes; and then word after word.
    steps[4].count = batch_tokens;
    steps[5].count = 1;
    for (size_t s : {4, 5}) {
        steps[s].wanted.watch = watch;
        steps[s].wanted.rows = {0};
        steps[s].wanted.best = true;
    }
    return steps;
}

} // namespace

std::unique_ptr<Backend> backend_beside(const Model& model) {
    constexpr size_t enough = size_t(1) << 30;
    if (!model.backend->gpu() || !model.on_gpu(model.hyper.layers) || model.backend->free_memory() < enough)
        return nullptr;
    return std::make_unique<Backend>(1, model.backend->gpu_device());
}

void warm_up(const Model& model, Backend& beside, const std::vector<int>& watch, const Cancel& cancel,
             const std::function<void(int)>& done) {
    ContextOptions options;
    options.backend = &beside;
    options.batch = batch_tokens;
    options.capacity = batch_tokens + slot_block;
    Context context(model, options);
    const std::vector<int32_t> tokens(static_cast<size_t>(batch_tokens), 0);
    const std::vector<Step> steps = steps_of(model.hyper.layers, watch);
    Captured captured;
    for (size_t s = 0; s < steps.size(); ++s) {
        if (steps[s].count > 1)
            context.reset();
        // From the third time on a token's launches are recorded and played again.
        for (int times = steps[s].count > 1 ? 1 : 3; times > 0; --times)
            context.read(tokens.data(), steps[s].count, steps[s].wanted, cancel, captured);
        done(static_cast<int>(s + 1));
    }
}

} // namespace longread
