// See text_input.h.
#include "text_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "console.h"

namespace facet::app {

std::string join_words(const std::vector<std::string>& words) {
    return fmt::format("{}", fmt::join(words, " "));
}

Result<std::string> read_input(const std::vector<std::string>& words, const std::string& file) {
    if (!words.empty() && !file.empty()) {
        return invalid_input("text is given both as words and with -f; use one of the two");
    }
    if (!words.empty()) return join_words(words);
    if (file.empty() && isatty(kStdin))
        note("reading the text from the terminal; end it with Ctrl-D");
    const InputFile input = FACET_TRY(InputFile::open(file));
    return read_all(input.fd(), kInputBytesMax);
}

Result<InputFile> InputFile::open(const std::string& path) {
    if (path.empty() || path == "-") return InputFile(kStdin);
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return Error{errno == ENOENT ? ErrorKind::kNotFound : ErrorKind::kIo,
                     fmt::format("{}: cannot open: {}", path, std::strerror(errno))};
    }
    return InputFile(fd);
}

InputFile::InputFile(InputFile&& other) noexcept : fd_(std::exchange(other.fd_, kStdin)) {}

InputFile::~InputFile() {
    if (fd_ != kStdin) ::close(fd_);
}

}  // namespace facet::app
