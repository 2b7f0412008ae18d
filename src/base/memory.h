// Zeroed memory straight from the system: pages cost nothing until they are first written, and a
// refusal is a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/result.h"

namespace facet {

class ZeroedMemory {
  public:
    ZeroedMemory() = default;
    // Errors: the system does not give that much.
    static Result<ZeroedMemory> allocate(size_t bytes);
    // The same in 2 MiB pages where the system has them, for what is read from end to end: weights
    // and KV.
    static Result<ZeroedMemory> allocate_huge(size_t bytes);
    // The same as promises: there may be more of it than the machine has, as long as no more is
    // written.
    static Result<ZeroedMemory> promise(size_t bytes);
    static Result<ZeroedMemory> promise_huge(size_t bytes);

    ZeroedMemory(ZeroedMemory&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)),
          bytes_(std::exchange(other.bytes_, 0)),
          base_(std::exchange(other.base_, nullptr)),
          base_bytes_(std::exchange(other.base_bytes_, 0)) {}
    ZeroedMemory& operator=(ZeroedMemory&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
        std::swap(base_, other.base_);
        std::swap(base_bytes_, other.base_bytes_);
        return *this;
    }
    ZeroedMemory(const ZeroedMemory&) = delete;
    ZeroedMemory& operator=(const ZeroedMemory&) = delete;
    ~ZeroedMemory();

    void* data() const { return data_; }
    size_t bytes() const { return bytes_; }
    // Gives [offset, offset + bytes) back to the system, what shares a page with other bytes
    // excepted. It reads as zeros, or as what it held.
    void give_back(size_t offset, size_t bytes);

  private:
    static Result<ZeroedMemory> map(size_t bytes, int flags);
    static Result<ZeroedMemory> map_huge(size_t bytes, int flags);

    void* data_ = nullptr;
    size_t bytes_ = 0;
    void* base_ = nullptr;  // the mapping, which alignment can make larger
    size_t base_bytes_ = 0;
};

// Bytes the system can give without swapping, the page cache it would drop included; the largest
// number if it does not say.
uint64_t available_memory_bytes();

// Bytes of physical memory that this process has now; 0 if the system does not say.
uint64_t resident_memory_bytes();

}  // namespace facet
