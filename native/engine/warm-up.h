// What a GPU does first: ggml's library holds machine code for some GPUs only, and for others the driver compiles each
// kernel when it is first wanted (on an H100 18 s for all that a question of the default model needs; later processes
// find it in the driver's cache). Warming up computes one small batch of every kind that reading and answering compute,
// on a queue of its own: neither reading by our own kernels nor who holds the model's lock waits for it.
#pragma once
#include "engine/model.h"

namespace longread {

// Batches that warm_up() computes; after so many, files can be read without waiting for the driver.
constexpr int warm_up_steps = 6, warm_up_to_read = 2;

// The model's GPU once more, for warm_up(); null where not the whole model lies on one, for one thread of the processor
// would take long for the rest of it, and with less than a gigabyte of it free.
std::unique_ptr<Backend> backend_beside(const Model& model);

// `watch`: layers whose attention answers are asked for. `done` gets how many steps are done. Throws
// Error("cancelled") between two batches, Error("internal").
void warm_up(const Model& model, Backend& beside, const std::vector<int>& watch, const Cancel& cancel,
             const std::function<void(int done)>& done);

} // namespace longread
