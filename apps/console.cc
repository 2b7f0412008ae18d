// See console.h.
#include "console.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "environment.h"
#include "terminal_text.h"

namespace facet::app {

namespace {
int g_stdout_errno = 0;
}  // namespace

void note(std::string_view message) {
    const std::string text = isatty(kStderr) ? neutralize(message) : std::string(message);
    fmt::print(stderr, "facet: {}\n", text);
}

int fail(const Error& error) {
    note(error.message);
    return kExitFailed;
}

bool write_stdout(std::string_view text) {
    if (g_stdout_errno != 0) return false;
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    if (!written || std::fflush(stdout) != 0) g_stdout_errno = errno == 0 ? EIO : errno;
    return g_stdout_errno == 0;
}

int finish_stdout(int code) {
    if (write_stdout("")) return code;
    note(fmt::format("cannot write the results: {}", std::strerror(g_stdout_errno)));
    return kExitFailed;
}

void write_raw(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = ::write(fd, text.data(), text.size());
        if (count < 0 && errno != EINTR) return;
        if (count > 0) text.remove_prefix(static_cast<size_t>(count));
    }
}

bool is_terminal(int fd) { return isatty(fd) && !read_environment().dumb_terminal; }

bool is_colored(int fd) { return is_terminal(fd) && read_environment().colors; }

TerminalSize terminal_size(int fd) {
    winsize size = {};
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
    return {size.ws_col, size.ws_row};
}

Result<std::string> read_all(int fd, size_t limit_bytes) {
    std::string text;
    char buffer[1 << 16];
    while (true) {
        const ssize_t count = ::read(fd, buffer, sizeof buffer);
        if (count < 0) {
            return Error{ErrorKind::kIo,
                         fmt::format("cannot read the input: {}", std::strerror(errno))};
        }
        if (count == 0) return text;
        text.append(buffer, static_cast<size_t>(count));
        if (text.size() > limit_bytes) {
            return invalid_input(fmt::format("the input is larger than {} bytes", limit_bytes));
        }
    }
}

}  // namespace facet::app
