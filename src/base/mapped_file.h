// A whole file mapped read-only: weights are used where the page cache holds them, nothing is
// copied.
//
// Owns the mapping, not the meaning of a byte. The mapping lives as long as the object; moving it
// keeps the address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"

namespace facet {

class MappedFile {
  public:
    // Errors: no such file, a directory or device, an empty file, no permission, mapping refused.
    static Result<MappedFile> open(const std::string& path);

    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    ~MappedFile();

    std::span<const uint8_t> bytes() const { return {data_, size_}; }
    const std::string& path() const { return path_; }

  private:
    MappedFile() = default;

    std::string path_;
    const uint8_t* data_ = nullptr;
    size_t size_ = 0;
};

// The whole of a small text file (a prompt, a configuration). Errors: as open(), or larger than
// `limit_bytes`.
Result<std::string> read_text_file(const std::string& path, size_t limit_bytes);

}  // namespace facet
