// A short content seen again and again over a long range of addresses, without memory for more than
// one copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/result.h"

namespace facet {

class RepeatedMemory {
  public:
    // The content's length must be a multiple of this, which every page size divides.
    static constexpr size_t kGranularity = size_t{64} << 10;

    // At least `bytes` of repetitions, read-only. Errors: the system's.
    static Result<RepeatedMemory> create(std::span<const uint8_t> content, size_t bytes);

    RepeatedMemory(RepeatedMemory&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    RepeatedMemory& operator=(RepeatedMemory&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~RepeatedMemory();

    const uint8_t* data() const { return static_cast<const uint8_t*>(data_); }
    size_t bytes() const { return bytes_; }

  private:
    RepeatedMemory() = default;

    void* data_ = nullptr;
    size_t bytes_ = 0;
};

}  // namespace facet
