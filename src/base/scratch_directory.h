// For tests: a new empty folder that is removed, with all in it, at the end of the scope.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "base/check.h"

namespace facet {

class ScratchDirectory {
  public:
    ScratchDirectory() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "facet-test-XXXXXX").string();
        FACET_CHECK(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;
    ~ScratchDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::string& path() const { return path_; }
    std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }

    // Writes a file into it and returns its path.
    std::string write(std::string_view name, std::string_view content) const {
        const std::string target = file(name);
        std::ofstream stream(target, std::ios::binary);
        stream.write(content.data(), static_cast<std::streamsize>(content.size()));
        FACET_CHECK(stream.good());
        return target;
    }

  private:
    std::string path_;
};

}  // namespace facet
