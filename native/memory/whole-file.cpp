#include "memory/whole-file.h"
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace longread {
namespace {

bool put(int file, BytesView bytes) {
    const char* from = static_cast<const char*>(bytes.data);
    while (bytes.size > 0) {
        const ssize_t written = write(file, from, bytes.size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        from += written;
        bytes.size -= static_cast<size_t>(written);
    }
    return true;
}

} // namespace

void disk_error(const std::string& path, int number) {
    throw Error("disk", path + " could not be written: " + std::strerror(number) +
                            ". Free some space, give another --memory folder, or use --no-store.");
}

void write_whole(int file, const std::string& aside, const std::string& path, std::initializer_list<BytesView> parts) {
    bool written = true;
    for (const BytesView& part : parts)
        written = written && put(file, part);
    written = written && fdatasync(file) == 0;
    int failure = written ? 0 : errno;
    if (close(file) != 0 && !failure)
        failure = errno;
    if (!failure && rename(aside.c_str(), path.c_str()) != 0)
        failure = errno;
    if (failure) {
        unlink(aside.c_str());
        disk_error(path, failure);
    }
    // The new name must outlive a crash, too. Some file systems cannot sync folders; then there is nothing to do.
    const size_t slash = path.find_last_of('/');
    const int folder =
        open(slash == std::string::npos ? "." : path.substr(0, slash + 1).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        (void)fsync(folder);
        close(folder);
    }
}

} // namespace longread
