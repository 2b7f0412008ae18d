// Where the single-shot commands take their text from: the words of the command line, a file, or
// stdin.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace facet::app {

inline constexpr size_t kInputBytesMax = size_t{64} << 20;

// The words joined by spaces, or the file ("-" is stdin), or, with neither, all of stdin (a
// terminal is told so). Errors: both words and file are given; unreadable; larger than
// kInputBytesMax.
Result<std::string> read_input(const std::vector<std::string>& words, const std::string& file);

std::string join_words(const std::vector<std::string>& words);

// A file descriptor to read from: the file, or stdin for "" and "-".
class InputFile {
  public:
    static Result<InputFile> open(const std::string& path);
    InputFile(InputFile&& other) noexcept;
    InputFile& operator=(InputFile&&) = delete;
    ~InputFile();
    int fd() const { return fd_; }

  private:
    explicit InputFile(int fd) : fd_(fd) {}
    int fd_;
};

}  // namespace facet::app
