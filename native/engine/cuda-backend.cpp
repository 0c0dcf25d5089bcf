#include "engine/cuda-backend.h"
#include <dlfcn.h>
#include <mutex>

namespace longread {
namespace {

// The CUDA release that the prebuilt libggml-cuda.so was linked with. It names them without a folder; the linker takes
// one that is loaded already whatever folder it came from.
constexpr const char* runtime_libraries[] = {"libcudart.so.13", "libcublasLt.so.13", "libcublas.so.13"};

bool loads(const std::string& file) { return dlopen(file.c_str(), RTLD_LAZY | RTLD_LOCAL) != nullptr; }

bool loads_from_any(const char* name, const std::vector<std::string>& folders) {
    if (loads(name))
        return true;
    for (const std::string& folder : folders)
        if (loads(folder + "/" + name))
            return true;
    return false;
}

ggml_backend_dev_t most_free(ggml_backend_reg_t registry) {
    ggml_backend_dev_t best = nullptr;
    size_t most = 0;
    for (size_t i = 0; i < ggml_backend_reg_dev_count(registry); ++i) {
        ggml_backend_dev_t device = ggml_backend_reg_dev_get(registry, i);
        size_t free = 0, total = 0;
        ggml_backend_dev_memory(device, &free, &total);
        if (!best || free > most) {
            best = device;
            most = free;
        }
    }
    return best;
}

} // namespace

CudaFound find_cuda(const CudaSearch& search) {
    static std::mutex lock;
    static ggml_backend_reg_t registry = nullptr;
    std::lock_guard<std::mutex> guard(lock);
    if (!registry) {
        if (!loads("libcuda.so.1"))
            return {CudaMissing::driver, "libcuda.so.1", nullptr};
        if (search.library.empty())
            return {CudaMissing::library, "libggml-cuda.so", nullptr};
        for (const char* name : runtime_libraries)
            if (!loads_from_any(name, search.folders))
                return {CudaMissing::runtime, name, nullptr};
        // ggml says in a line on stderr why it could not.
        registry = ggml_backend_load(search.library.c_str());
        if (!registry)
            return {CudaMissing::library, search.library, nullptr};
    }
    ggml_backend_dev_t device = most_free(registry);
    if (!device)
        return {CudaMissing::gpu, "", nullptr};
    return {CudaMissing::nothing, "", device};
}

} // namespace longread
