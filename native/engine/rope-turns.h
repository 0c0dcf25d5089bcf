// How far each position turns each pair of numbers of a head, as a table, for kernels that rotate by themselves.
#pragma once
#include "engine/hyper.h"

namespace longread {

// [position][head size / 2] cosine and sine, both lengthened by Rope::stretch(). `factors`: [head size / 2] by which
// angles are divided (Llama 3.1 and later), or null. As ggml's rope computes them (ggml_rope_cache_init), in the same
// order and in F32.
std::vector<float> rope_turns(const Hyper& hyper, const Rope& rope, const float* factors, int positions);

} // namespace longread
