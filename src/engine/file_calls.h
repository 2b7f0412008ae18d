// The system calls by which saved files are read and written, so that a test can let any of them
// fail.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"

namespace facet {

// As the calls of the same names: -1 and errno. The base class calls the system.
class FileCalls {
  public:
    virtual ~FileCalls() = default;
    virtual int open(const char* path, int flags, mode_t mode);
    virtual ssize_t pread(int file, void* bytes, size_t count, off_t offset);
    virtual ssize_t pwrite(int file, const void* bytes, size_t count, off_t offset);
    virtual int fsync(int file);
    virtual int close(int file);
    virtual int rename(const char* from, const char* to);
    virtual int unlink(const char* path);
};

FileCalls& system_file_calls();

// An open file; closes it.
class OpenFile {
  public:
    // Always close-on-exec, and never through a link at the end of the path. Errors: the system's.
    static Result<OpenFile> open(FileCalls& calls, std::string path, int flags, mode_t mode = 0);

    OpenFile(OpenFile&& other) noexcept
        : calls_(other.calls_),
          path_(std::move(other.path_)),
          file_(std::exchange(other.file_, -1)) {}
    OpenFile& operator=(OpenFile&&) = delete;
    ~OpenFile();

    int descriptor() const { return file_; }
    const std::string& path() const { return path_; }

    // The bytes from `offset` on, or as many as there are before the end of the file.
    Result<size_t> read(uint64_t offset, std::span<uint8_t> out) const;
    // All of them. Errors: also a system that takes none and says nothing.
    Status write(uint64_t offset, std::span<const uint8_t> bytes);
    Status sync();
    // Some systems say only now that a write failed.
    Status close();

  private:
    OpenFile(FileCalls& calls, std::string path) : calls_(&calls), path_(std::move(path)) {}

    FileCalls* calls_;
    std::string path_;
    int file_ = -1;
};

// "PATH: cannot ACTION: " and what errno says.
Error system_error(const std::string& path, const char* action);

}  // namespace facet
