#include "cuda/unit-file.cuh"
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <unistd.h>

namespace longread::gpu {

void UnitFile::fail(const char* what) const {
    throw std::runtime_error("units cannot be " + std::string(what) + " in " + folder_ + ": " + std::strerror(errno));
}

UnitFile::UnitFile(const std::string& folder) : folder_(folder) {
    file_ = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file_ >= 0)
        return;
    // Some file systems have no files without a name.
    std::string path = folder + "/units-XXXXXX";
    file_ = mkostemp(path.data(), O_CLOEXEC);
    if (file_ < 0)
        fail("kept");
    unlink(path.c_str());
}

UnitFile::~UnitFile() { close(file_); }

void UnitFile::write(uint64_t at, const char* from, size_t bytes) const {
    while (bytes > 0) {
        const ssize_t done = pwrite(file_, from, bytes, static_cast<off_t>(at));
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            fail("kept");
        from += done;
        at += static_cast<uint64_t>(done);
        bytes -= static_cast<size_t>(done);
    }
}

void UnitFile::read(uint64_t at, char* to, size_t bytes) const {
    while (bytes > 0) {
        const ssize_t done = pread(file_, to, bytes, static_cast<off_t>(at));
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            fail("read");
        to += done;
        at += static_cast<uint64_t>(done);
        bytes -= static_cast<size_t>(done);
    }
}

void UnitFile::expect(uint64_t at, size_t bytes) const {
    posix_fadvise(file_, static_cast<off_t>(at), static_cast<off_t>(bytes), POSIX_FADV_WILLNEED);
}

} // namespace longread::gpu
