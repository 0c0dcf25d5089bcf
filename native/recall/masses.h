// How much attention mass a unit's keys receive from each query: log-sum-exp over the unit's tokens of q·k, exactly,
// over every stored key (findings: four representative keys a unit, as in InfLLM, find almost nothing in code).
#pragma once
#include "memory/keys.h"

namespace longread {

// queries: [row][head_size] F32, already multiplied by the attention's scale. Writes out[row * out_stride] for each
// row. Tokens begin..end (end exclusive) of `keys` are the unit; an empty unit gives -INFINITY.
void unit_masses(const KeyView& keys, int begin, int end, const float* queries, int rows, float* out,
                 size_t out_stride);

// Which instructions unit_masses uses here: "avx512", "avx2" or "portable".
const char* masses_instructions();

} // namespace longread
