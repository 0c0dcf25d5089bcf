// How much of the processor's memory could be taken: by the machine, and by what the process's group may have.
#pragma once
#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <unistd.h>

namespace longread {

// The first number of a file that fits `format`, of the first line that does; `otherwise` where there is none.
inline uint64_t number_in(const char* path, const char* format, uint64_t otherwise) {
    uint64_t number = otherwise;
    if (FILE* file = std::fopen(path, "r")) {
        char line[256];
        while (std::fgets(line, sizeof line, file))
            if (std::sscanf(line, format, &number) == 1)
                break;
        std::fclose(file);
    }
    return number;
}

// Bytes; a quarter of all where nothing says how much is free.
inline uint64_t free_memory() {
    const uint64_t all = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGE_SIZE));
    const uint64_t available = number_in("/proc/meminfo", "MemAvailable: %" SCNu64 " kB", all / 4 >> 10) << 10;
    // "max" where the group has no limit.
    const uint64_t limit = std::min(number_in("/sys/fs/cgroup/memory.max", "%" SCNu64, UINT64_MAX),
                                    number_in("/sys/fs/cgroup/memory/memory.limit_in_bytes", "%" SCNu64, UINT64_MAX));
    const uint64_t used = std::max(number_in("/sys/fs/cgroup/memory.current", "%" SCNu64, 0),
                                   number_in("/sys/fs/cgroup/memory/memory.usage_in_bytes", "%" SCNu64, 0));
    return std::min(available, limit > used ? limit - used : 0);
}

} // namespace longread
