#include "engine/file_calls.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace facet {

namespace {

constexpr size_t kCallBytesMax = size_t{1} << 30;  // Linux takes a little less than 2 GiB a call

}  // namespace

int FileCalls::open(const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); }
ssize_t FileCalls::pread(int file, void* bytes, size_t count, off_t offset) {
    return ::pread(file, bytes, count, offset);
}
ssize_t FileCalls::pwrite(int file, const void* bytes, size_t count, off_t offset) {
    return ::pwrite(file, bytes, count, offset);
}
int FileCalls::fsync(int file) { return ::fsync(file); }
int FileCalls::close(int file) { return ::close(file); }
int FileCalls::rename(const char* from, const char* to) { return std::rename(from, to); }
int FileCalls::unlink(const char* path) { return ::unlink(path); }

FileCalls& system_file_calls() {
    static FileCalls calls;
    return calls;
}

Error system_error(const std::string& path, const char* action) {
    const ErrorKind kind = errno == ENOENT ? ErrorKind::kNotFound : ErrorKind::kIo;
    return {kind, fmt::format("{}: cannot {}: {}", path, action, std::strerror(errno))};
}

Result<OpenFile> OpenFile::open(FileCalls& calls, std::string path, int flags, mode_t mode) {
    OpenFile file(calls, std::move(path));
    file.file_ = calls.open(file.path_.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
    if (file.file_ < 0) return system_error(file.path_, "open");
    return file;
}

OpenFile::~OpenFile() {
    if (file_ >= 0) calls_->close(file_);
}

Result<size_t> OpenFile::read(uint64_t offset, std::span<uint8_t> out) const {
    size_t done = 0;
    while (done < out.size()) {
        const ssize_t count =
            calls_->pread(file_, out.data() + done, std::min(out.size() - done, kCallBytesMax),
                          static_cast<off_t>(offset + done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return system_error(path_, "read");
        if (count == 0) break;
        done += static_cast<size_t>(count);
    }
    return done;
}

Status OpenFile::write(uint64_t offset, std::span<const uint8_t> bytes) {
    size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t count =
            calls_->pwrite(file_, bytes.data() + done, std::min(bytes.size() - done, kCallBytesMax),
                           static_cast<off_t>(offset + done));
        if (count < 0 && errno == EINTR) continue;
        if (count == 0) errno = ENOSPC;
        if (count <= 0) return system_error(path_, "write");
        done += static_cast<size_t>(count);
    }
    return {};
}

Status OpenFile::sync() {
    if (calls_->fsync(file_) != 0) return system_error(path_, "write");
    return {};
}

Status OpenFile::close() {
    if (calls_->close(std::exchange(file_, -1)) != 0) return system_error(path_, "write");
    return {};
}

}  // namespace facet
