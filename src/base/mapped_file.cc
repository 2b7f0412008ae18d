#include "base/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace facet {

namespace {

// Closes a file descriptor at the end of its scope.
struct FileDescriptor {
    int value = -1;
    ~FileDescriptor() {
        if (value >= 0) ::close(value);
    }
};

Error system_error(const std::string& path, const char* action) {
    const ErrorKind kind = errno == ENOENT ? ErrorKind::kNotFound : ErrorKind::kIo;
    return {kind, fmt::format("{}: cannot {}: {}", path, action, std::strerror(errno))};
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
    FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (file.value < 0) return system_error(path, "open");
    struct stat info = {};
    if (::fstat(file.value, &info) != 0) return system_error(path, "read its size");
    if (S_ISDIR(info.st_mode))
        return invalid_input(fmt::format("{}: is a directory, expected a file", path));
    if (!S_ISREG(info.st_mode))
        return invalid_input(fmt::format("{}: is not a regular file", path));
    if (info.st_size == 0) return invalid_input(fmt::format("{}: the file is empty", path));

    MappedFile mapped;
    mapped.path_ = path;
    mapped.size_ = static_cast<size_t>(info.st_size);
    void* address = ::mmap(nullptr, mapped.size_, PROT_READ, MAP_PRIVATE, file.value, 0);
    if (address == MAP_FAILED) return system_error(path, "map into memory");
    mapped.data_ = static_cast<const uint8_t*>(address);
    mapped.written_ = info.st_mtim;
    mapped.descriptor_ = std::exchange(file.value, -1);
    return mapped;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      written_(other.written_) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(descriptor_, other.descriptor_);
    std::swap(written_, other.written_);
    return *this;
}

MappedFile::~MappedFile() {
    if (data_ != nullptr) ::munmap(const_cast<uint8_t*>(data_), size_);
    if (descriptor_ >= 0) ::close(descriptor_);
}

Status MappedFile::read(size_t offset, std::span<uint8_t> out) const {
    size_t done = 0;
    while (done < out.size()) {
        const ssize_t count = ::pread(descriptor_, out.data() + done, out.size() - done,
                                      static_cast<off_t>(offset + done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return system_error(path_, "read");
        if (count == 0) {
            return Error{ErrorKind::kIo,
                         fmt::format("{}: was cut short while it was read: expected {} bytes, "
                                     "found {}",
                                     path_, size_, offset + done)};
        }
        done += static_cast<size_t>(count);
    }
    return {};
}

void MappedFile::drop_from_cache(size_t offset, size_t bytes) const {
    // Advice: where the system does not take it, its own ways of finding memory remain.
    ::posix_fadvise(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(bytes),
                    POSIX_FADV_DONTNEED);
}

Status MappedFile::check_unchanged() const {
    struct stat info = {};
    if (::fstat(descriptor_, &info) != 0) return system_error(path_, "read its size");
    if (static_cast<size_t>(info.st_size) == size_ && info.st_mtim.tv_sec == written_.tv_sec &&
        info.st_mtim.tv_nsec == written_.tv_nsec) {
        return {};
    }
    return Error{ErrorKind::kIo, fmt::format("{}: was changed while it was read", path_)};
}

Result<std::string> read_text_file(const std::string& path, size_t limit_bytes) {
    FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.value < 0) return system_error(path, "open");
    std::string text;
    char buffer[1 << 16];
    while (true) {
        const ssize_t count = ::read(file.value, buffer, sizeof buffer);
        if (count < 0) return system_error(path, "read");
        if (count == 0) return text;
        text.append(buffer, static_cast<size_t>(count));
        if (text.size() > limit_bytes) {
            return invalid_input(
                fmt::format("{}: larger than the limit of {} bytes", path, limit_bytes));
        }
    }
}

}  // namespace facet
