// What the tests' own addon exports beside llama_decode (oracle.cpp).
#pragma once
#include <napi.h>

namespace longread {

// generateBeside({path, libraries, threads, layers, tokens, temperature, topP, seed, maxTokens, watch, watchHeads}) ->
// {tokens, attention: [token][watched head][span], warm}: with the file's own weights, of which the first `layers` lie
// beside the processor, or all with the output where there are fewer. At the same time warm_up() computes, `warm`
// steps.
Napi::Value generate_beside(const Napi::CallbackInfo& call);

// floor({path, libraries, kernels, cublas, layers, rows, times, eight}) -> seconds that the products of the first
// `layers` layers of the model in the file `path` take by themselves for so many rows, by the library `kernels`
// (cuda/interface.h), on the GPU that findCuda() found.
Napi::Value floor_of_products(const Napi::CallbackInfo& call);

// layersThatFit({path, weights, free, batch}) -> how many layers of the model in the file `path` are put on a GPU with
// so many free bytes (engine/layer-split.h).
Napi::Value fitting_layers(const Napi::CallbackInfo& call);

} // namespace longread
