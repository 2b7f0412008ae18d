// The content lies in a file of no name in memory, which is mapped side by side.
#include "base/repeated_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace facet {

namespace {

Error system_error(const char* what) {
    return Error{ErrorKind::kOutOfMemory,
                 fmt::format("repeated memory: {}: {}", what, std::strerror(errno))};
}

// Closed at the end of its scope.
struct Descriptor {
    int number;
    ~Descriptor() {
        if (number >= 0) ::close(number);
    }
};

}  // namespace

Result<RepeatedMemory> RepeatedMemory::create(std::span<const uint8_t> content, size_t bytes) {
    FACET_CHECK(!content.empty() && content.size() % kGranularity == 0);
    const Descriptor file{::memfd_create("facet", MFD_CLOEXEC)};
    if (file.number < 0) return system_error("memfd_create");
    for (size_t done = 0; done < content.size();) {
        const ssize_t written = ::write(file.number, content.data() + done, content.size() - done);
        if (written <= 0) return system_error("write");
        done += static_cast<size_t>(written);
    }
    const size_t copies = (bytes + content.size() - 1) / content.size();
    RepeatedMemory memory;
    // The whole range first, so that nothing else can come between.
    void* range = ::mmap(nullptr, copies * content.size(), PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) return system_error("mmap");
    memory.data_ = range;
    memory.bytes_ = copies * content.size();
    for (size_t i = 0; i < copies; ++i) {
        void* at = static_cast<uint8_t*>(range) + i * content.size();
        if (::mmap(at, content.size(), PROT_READ, MAP_SHARED | MAP_FIXED, file.number, 0) ==
            MAP_FAILED) {
            return system_error("mmap");
        }
    }
    return memory;
}

RepeatedMemory::~RepeatedMemory() {
    if (data_ != nullptr) ::munmap(data_, bytes_);
}

}  // namespace facet
