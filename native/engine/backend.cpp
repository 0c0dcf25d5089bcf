#include "engine/backend.h"
#include <cstring>
#include <dlfcn.h>
#include <llama.h>
#include <mutex>
#include <thread>

namespace longread {
namespace {

template <typename F> F registered(const char* name) {
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    return reinterpret_cast<F>(ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), name));
}

// ggml and libllama log freely to stderr; only what went wrong is kept there.
void log_errors(ggml_log_level level, const char* text, void*) {
    if (level == GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

bool cancelled(void* data) { return static_cast<const Cancel*>(data)->requested.load(std::memory_order_relaxed); }

} // namespace

void load_backends(const std::string& folder) {
    static std::mutex lock;
    static bool loaded = false;
    std::lock_guard<std::mutex> guard(lock);
    if (!loaded) {
        llama_log_set(log_errors, nullptr);
        ggml_log_set(log_errors, nullptr);
        ggml_backend_load_all_from_path(folder.c_str());
        loaded = true;
    }
    if (!ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU))
        throw Error("engine-missing", "no CPU backend of ggml in " + folder + " runs on this processor");
}

Backend::Backend(int threads) {
    backend_ = ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, nullptr);
    if (!backend_)
        throw Error("engine-missing", "ggml's CPU backend could not be started");
    threads_ = threads > 0 ? threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    if (auto set_threads = registered<void (*)(ggml_backend_t, int)>("ggml_backend_set_n_threads"))
        set_threads(backend_, threads_);
}

Backend::~Backend() { ggml_backend_free(backend_); }

void Backend::compute(ggml_cgraph* graph, const Cancel& cancel) {
    cancel.check();
    auto set_abort =
        registered<void (*)(ggml_backend_t, ggml_abort_callback, void*)>("ggml_backend_set_abort_callback");
    if (set_abort)
        set_abort(backend_, cancelled, const_cast<Cancel*>(&cancel));
    const ggml_status status = ggml_backend_graph_compute(backend_, graph);
    if (set_abort)
        set_abort(backend_, nullptr, nullptr);
    cancel.check();
    if (status != GGML_STATUS_SUCCESS)
        throw Error("internal", std::string("ggml could not compute a batch: ") + ggml_status_to_string(status));
}

ggml_backend_buffer_type_t Backend::buffer_type() const { return ggml_backend_get_default_buffer_type(backend_); }

std::string Backend::variant() {
    Dl_info info;
    void* function = registered<void*>("ggml_backend_set_n_threads");
    if (!function || !dladdr(function, &info) || !info.dli_fname)
        return "cpu";
    const char* slash = strrchr(info.dli_fname, '/');
    std::string name = slash ? slash + 1 : info.dli_fname;
    const std::string prefix = "libggml-cpu-", suffix = ".so";
    if (name.rfind(prefix, 0) == 0)
        name = name.substr(prefix.size());
    const size_t end = name.find(suffix);
    return end == std::string::npos ? name : name.substr(0, end);
}

} // namespace longread
