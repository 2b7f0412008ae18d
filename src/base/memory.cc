#include "base/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <limits>
#include <string>

#include "base/check.h"

namespace facet {

namespace {

constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

Result<ZeroedMemory> ZeroedMemory::allocate(size_t bytes) { return map(bytes, 0); }
Result<ZeroedMemory> ZeroedMemory::allocate_huge(size_t bytes) { return map_huge(bytes, 0); }
Result<ZeroedMemory> ZeroedMemory::promise(size_t bytes) { return map(bytes, MAP_NORESERVE); }
Result<ZeroedMemory> ZeroedMemory::promise_huge(size_t bytes) {
    return map_huge(bytes, MAP_NORESERVE);
}

Result<ZeroedMemory> ZeroedMemory::map(size_t bytes, int flags) {
    ZeroedMemory memory;
    if (bytes == 0) return memory;
    void* address =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (address == MAP_FAILED) {
        return Error{ErrorKind::kOutOfMemory, fmt::format("cannot get {} bytes of memory", bytes)};
    }
    memory.data_ = memory.base_ = address;
    memory.bytes_ = memory.base_bytes_ = bytes;
    return memory;
}

Result<ZeroedMemory> ZeroedMemory::map_huge(size_t bytes, int flags) {
    if (bytes == 0 || bytes > SIZE_MAX - 2 * kHugePage) return map(bytes, flags);
    const size_t whole_pages = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    ZeroedMemory memory = FACET_TRY(map(whole_pages + kHugePage, flags));
    const auto address = reinterpret_cast<uintptr_t>(memory.base_);
    memory.data_ = reinterpret_cast<void*>((address + kHugePage - 1) / kHugePage * kHugePage);
    memory.bytes_ = bytes;
    // A wish: without it, or where the system has none to give, the pages are small and all works
    // the same.
    ::madvise(memory.data_, whole_pages, MADV_HUGEPAGE);
    return memory;
}

void ZeroedMemory::give_back(size_t offset, size_t bytes) {
    FACET_CHECK(offset <= bytes_ && bytes <= bytes_ - offset);
    const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto address = reinterpret_cast<uintptr_t>(data_) + offset;
    const uintptr_t begin = (address + page - 1) / page * page;
    const uintptr_t end = (address + bytes) / page * page;
    if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

ZeroedMemory::~ZeroedMemory() {
    if (base_ != nullptr) ::munmap(base_, base_bytes_);
}

uint64_t available_memory_bytes() {
    std::ifstream info("/proc/meminfo");
    for (std::string key; info >> key;) {
        uint64_t kibibytes = 0;
        if (key == "MemAvailable:" && info >> kibibytes) return kibibytes * 1024;
        info.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    }
    return UINT64_MAX;
}

uint64_t resident_memory_bytes() {
    std::ifstream file("/proc/self/statm");
    uint64_t pages = 0;
    if (!(file >> pages >> pages)) return 0;
    return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace facet
