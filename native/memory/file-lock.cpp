#include "memory/file-lock.h"
#include "engine/error.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace longread {

FileLock::FileLock(const std::string& path) : file_(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)) {
    if (file_ < 0)
        throw Error("disk", path + " could not be written: " + std::strerror(errno) +
                                ". Free some space, give another --memory folder, or use --no-store.");
}

bool FileLock::take(bool exclusive) {
    int taken;
    do
        taken = file_ < 0 ? -1 : flock(file_, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
    while (taken != 0 && errno == EINTR);
    return taken == 0;
}

void FileLock::release() {
    if (file_ >= 0)
        close(file_); // and with it the lock
    file_ = -1;
}

} // namespace longread
