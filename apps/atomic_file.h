// Files that appear whole or not at all: written beside the target under a temporary name, then
// renamed.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace facet::app {

// A target that is a link is followed; one that is a device or pipe is written directly. Without
// commit(), what was written vanishes with the object.
class AtomicFile {
  public:
    static Result<AtomicFile> create(const std::string& path);

    AtomicFile(AtomicFile&& other) noexcept;
    AtomicFile& operator=(AtomicFile&&) = delete;
    ~AtomicFile();

    // Errors: the system's; after one, commit() must not be called.
    Status write(std::string_view bytes);
    Status commit();

  private:
    AtomicFile() = default;
    Error failure(const char* action) const;

    std::string path_;
    std::string temporary_;  // empty: written directly
    int fd_ = -1;
};

Status write_file(const std::string& path, std::string_view text);

}  // namespace facet::app
