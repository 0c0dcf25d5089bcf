// CUDA's errors as exceptions, launches that are checked, and memory, streams and events that free themselves. All of
// it belongs to the device that is current.
#pragma once
#include "cuda/device.cuh"
#include <stdexcept>
#include <string>
#include <utility>

namespace longread::gpu {

inline void check(cudaError_t status, const char* what) {
    if (status == cudaSuccess)
        return;
    cudaGetLastError(); // or the next launch of this thread would tell it again
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
}

template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, int threads, size_t shared_bytes, cudaStream_t stream,
            Arguments... arguments) {
    if (grid.x == 0 || grid.y == 0)
        return;
#ifdef LONGREAD_EMULATED
    (void)stream;
    check(cudaGetLastError(), "a kernel could not be started");
    emulated::run(grid, threads, shared_bytes, [&] { kernel(static_cast<Parameters>(arguments)...); });
#else
    kernel<<<grid, threads, shared_bytes, stream>>>(static_cast<Parameters>(arguments)...);
    check(cudaGetLastError(), "a kernel could not be started");
#endif
}

template <typename T> T blocks_for(T items, T each) { return (items + each - 1) / each; }

// Returns when it is there: cudaMemcpy() alone may return while the last part is on its way, and our streams do not
// wait for it by themselves.
inline void copy_to_gpu(void* to, const void* from, size_t bytes) {
    if (bytes == 0)
        return;
    check(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice), "a copy to the GPU failed");
    check(cudaStreamSynchronize(nullptr), "a copy to the GPU failed");
}

inline void copy_from_gpu(void* to, const void* from, size_t bytes) {
    if (bytes > 0)
        check(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost), "a copy from the GPU failed");
}

// Room for `count` where there is less: half as much again at least, so that it seldom grows.
inline size_t grown(size_t size, size_t count) { return count < size + size / 2 ? size + size / 2 : count; }

// Memory of the GPU. Its contents are undefined at first.
template <typename T> class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(size_t count) { reserve(count); }
    ~Buffer() { cudaFree(data_); }
    Buffer(Buffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    Buffer& operator=(Buffer&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }

    // At least so many; what was there is lost when it grows, which waits for all work of the device.
    void reserve(size_t count) {
        if (count <= size_)
            return;
        count = grown(size_, count);
        cudaFree(data_);
        data_ = nullptr;
        size_ = 0;
        check(cudaMalloc(reinterpret_cast<void**>(&data_), count * sizeof(T)), "no memory on the GPU");
        size_ = count;
    }
    // From memory of the processor; returns when it is there.
    void upload(const T* from, size_t count) {
        reserve(count);
        copy_to_gpu(data_, from, count * sizeof(T));
    }
    void download(T* to, size_t count) const { copy_from_gpu(to, data_, count * sizeof(T)); }
    T* data() const { return data_; }
    size_t size() const { return size_; }

  private:
    T* data_ = nullptr;
    size_t size_ = 0;
};

// Memory of the processor that is pinned: copies to and from the GPU go on beside other work.
template <typename T> class Pinned {
  public:
    Pinned() = default;
    ~Pinned() { cudaFreeHost(data_); }
    Pinned(const Pinned&) = delete;
    Pinned& operator=(const Pinned&) = delete;

    void reserve(size_t count) {
        if (count <= size_)
            return;
        count = grown(size_, count);
        cudaFreeHost(data_);
        data_ = nullptr;
        size_ = 0;
        check(cudaMallocHost(reinterpret_cast<void**>(&data_), count * sizeof(T)), "no pinned memory");
        size_ = count;
    }
    T* data() const { return data_; }

  private:
    T* data_ = nullptr;
    size_t size_ = 0;
};

class Stream {
  public:
    Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "no stream of the GPU"); }
    // Work of a stream with a smaller number goes first.
    explicit Stream(int priority) {
        check(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, priority), "no stream of the GPU");
    }
    ~Stream() { cudaStreamDestroy(stream_); }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    operator cudaStream_t() const { return stream_; }
    void wait() const { check(cudaStreamSynchronize(stream_), "the GPU failed"); }
    // What is sent from now on is done after what `event` was recorded after.
    void wait_for(cudaEvent_t event) const { check(cudaStreamWaitEvent(stream_, event, 0), "the GPU failed"); }

  private:
    cudaStream_t stream_ = nullptr;
};

class Event {
  public:
    Event() { check(cudaEventCreate(&event_), "no event of the GPU"); }
    ~Event() { cudaEventDestroy(event_); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    operator cudaEvent_t() const { return event_; }
    void record(cudaStream_t stream) { check(cudaEventRecord(event_, stream), "the GPU failed"); }
    void wait() const { check(cudaEventSynchronize(event_), "the GPU failed"); }

  private:
    cudaEvent_t event_ = nullptr;
};

} // namespace longread::gpu
