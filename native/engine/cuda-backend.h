// ggml's CUDA backend, which is no part of the package: loaded where somebody has installed it and there is a driver
// and a GPU. Nothing here throws: what is missing is told, and the CPU serves.
#pragma once
#include <ggml-backend.h>
#include <string>
#include <vector>

namespace longread {

struct CudaSearch {
    std::string library;              // libggml-cuda.so; empty where none was found
    std::vector<std::string> folders; // where CUDA's own libraries may lie beside the places the system knows
};

// What stands in the way, in the order in which it is looked for.
enum class CudaMissing { nothing, driver, library, runtime, gpu };

struct CudaFound {
    CudaMissing missing = CudaMissing::nothing;
    std::string detail;                  // the name of the library that could not be loaded, or why
    ggml_backend_dev_t device = nullptr; // the GPU with most free memory
};

// Loads it once a process; what was missing before is looked for again. Needs load_backends() before.
CudaFound find_cuda(const CudaSearch& search);

} // namespace longread
