#include "engine/cuda-backend.h"
#include <algorithm>
#include <dlfcn.h>
#include <iterator>
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

template <typename F> F driver_function(const char* name) {
    return reinterpret_cast<F>(dlsym(dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL), name));
}

// The prebuilt library holds machine code for some GPUs only; for others a text in the language of CUDA 13.1 (PTX 9.1),
// which an older driver does not read: ggml would end the process at its first kernel.
bool driver_reads(ggml_backend_dev_t device) {
    constexpr int read_from = 13010; // cuDriverGetVersion's 13.1
    constexpr int machine_code[] = {86, 89, 120, 121};
    constexpr int attribute_major = 75, attribute_minor = 76; // of CUdevice_attribute
    auto version_of = driver_function<int (*)(int*)>("cuDriverGetVersion");
    auto device_of = driver_function<int (*)(int*, const char*)>("cuDeviceGetByPCIBusId");
    auto attribute_of = driver_function<int (*)(int*, int, int)>("cuDeviceGetAttribute");
    ggml_backend_dev_props props{};
    ggml_backend_dev_get_props(device, &props);
    int version = 0, handle = 0, major = 0, minor = 0;
    if (!version_of || !device_of || !attribute_of || !props.device_id || version_of(&version) != 0 ||
        version >= read_from || device_of(&handle, props.device_id) != 0 ||
        attribute_of(&major, attribute_major, handle) != 0 || attribute_of(&minor, attribute_minor, handle) != 0)
        return true; // nothing says that it does not
    return std::find(std::begin(machine_code), std::end(machine_code), major * 10 + minor) != std::end(machine_code);
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
    if (!search.any_driver && !driver_reads(device))
        return {CudaMissing::newer_driver, ggml_backend_dev_description(device), nullptr};
    return {CudaMissing::nothing, ggml_backend_dev_description(device), device};
}

} // namespace longread
