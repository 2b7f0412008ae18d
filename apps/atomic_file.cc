// See atomic_file.h.
#include "atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace facet::app {

namespace {

// The mode a plain open() would have given a new file.
mode_t default_mode() {
    const mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

}  // namespace

Error AtomicFile::failure(const char* action) const {
    return {errno == ENOENT ? ErrorKind::kNotFound : ErrorKind::kIo,
            fmt::format("{}: cannot {}: {}", path_, action, std::strerror(errno))};
}

Result<AtomicFile> AtomicFile::create(const std::string& path) {
    AtomicFile file;
    file.path_ = path;
    struct stat info = {};
    const bool exists = ::stat(path.c_str(), &info) == 0;
    if (exists && !S_ISREG(info.st_mode)) {
        file.fd_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
        if (file.fd_ < 0) return file.failure("open");
        return file;
    }
    if (exists) {
        if (char* resolved = ::realpath(path.c_str(), nullptr)) {
            file.path_ = resolved;
            std::free(resolved);
        }
    }
    std::string name = file.path_ + ".XXXXXX";
    file.fd_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (file.fd_ < 0) return file.failure("create");
    file.temporary_ = name;
    if (::fchmod(file.fd_, exists ? info.st_mode & 07777 : default_mode()) != 0) {
        return file.failure("set permissions");
    }
    return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)) {}

AtomicFile::~AtomicFile() {
    if (fd_ >= 0) ::close(fd_);
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status AtomicFile::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
        if (count < 0) return failure("write");
        bytes.remove_prefix(static_cast<size_t>(count));
    }
    return {};
}

Status AtomicFile::commit() {
    // Devices and pipes cannot be synchronised and need not be.
    if (!temporary_.empty() && ::fsync(fd_) != 0) return failure("write");
    if (::close(std::exchange(fd_, -1)) != 0) return failure("write");
    if (temporary_.empty()) return {};
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) return failure("rename");
    temporary_.clear();
    return {};
}

Status write_file(const std::string& path, std::string_view text) {
    AtomicFile file = FACET_TRY(AtomicFile::create(path));
    FACET_TRY(file.write(text));
    return file.commit();
}

}  // namespace facet::app
