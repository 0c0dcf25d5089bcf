// A file without a name for units that the processor's memory does not hold: nothing stays of it when the process ends,
// however it ends.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace longread::gpu {

class UnitFile {
  public:
    // In this folder. All throw std::runtime_error.
    explicit UnitFile(const std::string& folder);
    ~UnitFile();
    UnitFile(const UnitFile&) = delete;
    UnitFile& operator=(const UnitFile&) = delete;

    void write(uint64_t at, const char* from, size_t bytes) const;
    void read(uint64_t at, char* to, size_t bytes) const;
    // Says that these bytes are read soon.
    void expect(uint64_t at, size_t bytes) const;

  private:
    [[noreturn]] void fail(const char* what) const;
    std::string folder_;
    int file_ = -1;
};

} // namespace longread::gpu
