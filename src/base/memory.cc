#include "base/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

namespace facet {

Result<ZeroedMemory> ZeroedMemory::allocate(size_t bytes) {
    ZeroedMemory memory;
    if (bytes == 0) return memory;
    void* address =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) {
        return Error{ErrorKind::kOutOfMemory, fmt::format("cannot get {} bytes of memory", bytes)};
    }
    memory.data_ = address;
    memory.bytes_ = bytes;
    return memory;
}

ZeroedMemory::~ZeroedMemory() {
    if (data_ != nullptr) ::munmap(data_, bytes_);
}

}  // namespace facet
