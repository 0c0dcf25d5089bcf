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

void check(ggml_status status) {
    if (status != GGML_STATUS_SUCCESS)
        throw Error("internal", std::string("ggml could not compute a batch: ") + ggml_status_to_string(status));
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

Backend::Backend(int threads, ggml_backend_dev_t gpu) {
    cpu_ = ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, nullptr);
    if (!cpu_)
        throw Error("engine-missing", "ggml's CPU backend could not be started");
    threads_ = threads > 0 ? threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    if (auto set_threads = registered<void (*)(ggml_backend_t, int)>("ggml_backend_set_n_threads"))
        set_threads(cpu_, threads_);
    if (gpu && !(gpu_ = ggml_backend_dev_init(gpu, nullptr))) {
        ggml_backend_free(cpu_);
        throw Error("no-cuda", std::string("The GPU ") + ggml_backend_dev_description(gpu) +
                                   " could not be used. Use --device cpu.");
    }
}

Backend::~Backend() {
    ggml_backend_sched_free(scheduler_);
    ggml_backend_buffer_free(pinned_);
    if (gpu_)
        ggml_backend_free(gpu_);
    ggml_backend_free(cpu_);
}

size_t Backend::free_memory() const {
    size_t free = 0, total = 0;
    if (gpu_)
        ggml_backend_dev_memory(gpu_device(), &free, &total);
    return free;
}

ggml_backend_buffer_type_t Backend::pinned_type() const {
    ggml_backend_buffer_type_t pinned = gpu_ ? ggml_backend_dev_host_buffer_type(gpu_device()) : nullptr;
    return pinned ? pinned : ggml_backend_get_default_buffer_type(cpu_);
}

char* Backend::pinned(size_t bytes) {
    if (!pinned_ || ggml_backend_buffer_get_size(pinned_) < bytes) {
        ggml_backend_buffer_free(pinned_);
        pinned_ = nullptr;
        // A whole power of two: pinning takes long, and the next batch of a prompt wants more.
        size_t taken = size_t(64) << 10;
        while (taken < bytes)
            taken *= 2;
        pinned_ = ggml_backend_buft_alloc_buffer(pinned_type(), taken);
    }
    return pinned_ ? static_cast<char*>(ggml_backend_buffer_get_base(pinned_)) : nullptr;
}

ggml_backend_sched_t Backend::scheduler() {
    if (!scheduler_) {
        ggml_backend_t backends[] = {gpu_, cpu_};
        // What the CPU computes and the GPU goes on with is copied faster from memory that is pinned.
        ggml_backend_buffer_type_t types[] = {ggml_backend_get_default_buffer_type(gpu_), pinned_type()};
        scheduler_ = ggml_backend_sched_new(backends, types, 2, max_nodes, false, true);
    }
    return scheduler_;
}

Planner::Planner(Backend& backend) : backend_(backend) {
    if (!backend.gpu_)
        allocator_ = ggml_gallocr_new(ggml_backend_get_default_buffer_type(backend.cpu_));
}

Planner::~Planner() {
    if (allocator_)
        ggml_gallocr_free(allocator_);
    else if (backend_.laid_out_ == this)
        backend_.laid_out_ = nullptr;
}

void Planner::lay_out(ggml_cgraph* graph) {
    laid_out_ = false;
    queue_ = nullptr;
    bool enough;
    if (allocator_) {
        enough = ggml_gallocr_alloc_graph(allocator_, graph);
    } else {
        ggml_backend_sched_reset(backend_.scheduler());
        backend_.laid_out_ = this;
        enough = ggml_backend_sched_alloc_graph(backend_.scheduler(), graph);
        // In one piece it may be the processor's, too.
        if (enough && ggml_backend_sched_get_n_splits(backend_.scheduler_) == 1 &&
            ggml_backend_sched_get_tensor_backend(backend_.scheduler_, ggml_graph_node(graph, -1)) == backend_.gpu_)
            queue_ = backend_.gpu_;
    }
    if (!enough)
        throw Error("internal", "There is not enough memory for a batch of the model.");
    laid_out_ = true;
}

bool Planner::holds() const { return laid_out_ && (allocator_ || backend_.laid_out_ == this); }

ggml_backend_t Planner::queue() const { return holds() ? queue_ : nullptr; }

void Planner::begin(ggml_cgraph* graph, const Cancel& cancel) {
    cancel.check();
    check(ggml_backend_sched_graph_compute_async(backend_.scheduler(), graph));
}

void Planner::end(const Cancel& cancel) {
    ggml_backend_sched_synchronize(backend_.scheduler());
    cancel.check();
}

void Planner::compute(ggml_cgraph* graph, const Cancel& cancel) {
    cancel.check();
    auto set_abort =
        registered<void (*)(ggml_backend_t, ggml_abort_callback, void*)>("ggml_backend_set_abort_callback");
    if (set_abort)
        set_abort(backend_.cpu_, cancelled, const_cast<Cancel*>(&cancel));
    const ggml_status status = allocator_ ? ggml_backend_graph_compute(backend_.cpu_, graph)
                                          : ggml_backend_sched_graph_compute(backend_.scheduler(), graph);
    if (set_abort)
        set_abort(backend_.cpu_, nullptr, nullptr);
    cancel.check();
    check(status);
}

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
