// The floor of reading: what a model's products take by themselves, by the library of our own CUDA kernels.
#include "addon/task.h"
#include "addon/values.h"
#include "engine/backend.h"
#include "engine/gguf-file.h"
#include "engine/gpu-reader.h"
#include "tests/oracle.h"
#include <dlfcn.h>

namespace longread {
namespace {

// Empty where there is no GPU; the kernels that run on the processor want no name.
std::string gpu_bus_id() {
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_GPU);
    if (!device)
        return "";
    ggml_backend_dev_props props{};
    ggml_backend_dev_get_props(device, &props);
    return props.device_id ? props.device_id : "";
}

} // namespace

Napi::Value floor_of_products(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        const Napi::Object request = call[0].As<Napi::Object>();
        const std::string path = text(field(request, "path"), "path");
        const std::string libraries = text(field(request, "libraries"), "libraries");
        const std::string kernels = text(field(request, "kernels"), "kernels");
        const std::string cublas = text(field(request, "cublas"), "cublas");
        const int layers = static_cast<int>(number(request, "layers"));
        const int rows = static_cast<int>(number(request, "rows"));
        const int times = static_cast<int>(number(request, "times"));
        const bool eight = field(request, "eight").ToBoolean().Value();
        using FloorTask = Task<double, int>;
        return FloorTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const FloorTask::Report&) {
                load_backends(libraries);
                void* library = dlopen(kernels.c_str(), RTLD_NOW | RTLD_LOCAL); // it stays loaded
                if (!library)
                    throw Error("no-cuda", dlerror());
                const auto floor =
                    reinterpret_cast<decltype(&longread_cuda_floor)>(dlsym(library, "longread_cuda_floor"));
                const auto error =
                    reinterpret_cast<decltype(&longread_cuda_error)>(dlsym(library, "longread_cuda_error"));
                if (!floor || !error)
                    throw Error("no-cuda", kernels + " lacks longread_cuda_floor: build it anew (.ci/cuda).");
                GgufFile file(path);
                Hyper hyper = Hyper::read(file, path);
                hyper.vocabulary = 1; // which the layers do not need, and a file does not say but by its tensors
                const LongreadShape shape = GpuReader::shape_of(hyper, layers, rows, 0, {rows, rows}, eight);
                double seconds = 0;
                if (floor(gpu_bus_id().c_str(), cublas.c_str(), &shape, rows, times, &seconds) != 0)
                    throw Error("no-cuda", error());
                return seconds;
            },
            [](Napi::Env env, double& seconds) { return Napi::Number::New(env, seconds); }, nullptr);
    });
}

} // namespace longread
