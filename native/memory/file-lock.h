// Says that a process uses something on disk: a lock on a file that the system takes back when the process ends,
// however it ends. Used by several processes on one memory (extension/store).
#pragma once
#include <string>

namespace longread {

class FileLock {
  public:
    // Makes the file (0600) where it is missing. Throws Error("disk") when it cannot be made.
    explicit FileLock(const std::string& path);
    ~FileLock() { release(); }
    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;

    // False when another holder is in the way. `exclusive`: nobody else holds it in any way. Never waits.
    bool take(bool exclusive);
    void release();

  private:
    int file_ = -1;
};

} // namespace longread
