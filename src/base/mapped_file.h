// A whole file mapped read-only: weights are used where the page cache holds them, nothing is
// copied. What is read once from end to end is better read into memory of one's own: a file that
// somebody cuts short is then an error, while a mapping ends the program with SIGBUS.
//
// Owns the mapping and the open file, not the meaning of a byte. Both live as long as the object;
// moving it keeps the address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
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
    bool contains(const uint8_t* address) const {
        return address >= data_ && address < data_ + size_;
    }

    // Copies bytes from `offset` on, past the mapping. Errors: the file ends before, the system
    // can not read it.
    Status read(size_t offset, std::span<uint8_t> out) const;
    // The page cache may forget this range, as far as no mapping holds it: its memory is free for
    // something else. Only whole pages, and of large ones (up to 2 MiB) only whole ones.
    void drop_from_cache(size_t offset, size_t bytes) const;
    // Errors: the file was written to since it was opened.
    Status check_unchanged() const;

  private:
    MappedFile() = default;

    std::string path_;
    const uint8_t* data_ = nullptr;
    size_t size_ = 0;
    int descriptor_ = -1;
    timespec written_ = {};  // when the file was last written, as it was opened
};

// The whole of a small text file (a prompt, a configuration). Errors: as open(), or larger than
// `limit_bytes`.
Result<std::string> read_text_file(const std::string& path, size_t limit_bytes);

}  // namespace facet
