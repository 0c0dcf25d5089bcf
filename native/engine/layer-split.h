// Which layers lie on a GPU when nobody says it, and in which format their matrices are kept there.
#pragma once
#include "engine/gguf-file.h"
#include "engine/hyper.h"
#include "engine/model.h"

namespace longread {

ggml_type kept_type(const ggml_tensor* tensor, WeightFormat wanted, bool on_gpu);

// How many layers from the first on fit into `free` bytes of a GPU's memory, each with its part of a cache; one more
// than there are: embeddings and output, too. Kept free for the driver's and cuBLAS's own: 768 MiB; and the results of
// a batch of so many tokens.
int layers_that_fit(const Hyper& hyper, const GgufFile& file, WeightFormat weights, size_t free, int batch);

} // namespace longread
