// The two streams of the program: results go to stdout, everything else to stderr as "facet: ...".
//
// Owns exit codes, messages and the decision whether a stream is a terminal that may be drawn on.
// What comes from outside (error texts quote files and requests) is neutralized before it reaches a
// terminal.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace facet::app {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitWrongUse = 2;

inline constexpr int kStdin = 0;
inline constexpr int kStdout = 1;
inline constexpr int kStderr = 2;

// Prints "facet: <message>" to stderr.
void note(std::string_view message);
// Prints the error and returns kExitFailed.
int fail(const Error& error);

// Writes to stdout at once. After a failure (a full disk, a closed pipe) it writes nothing more and
// returns false.
bool write_stdout(std::string_view text);
// Ends the program's output: kExitFailed with a message if anything could not be written, else
// `code`.
int finish_stdout(int code);

// Writes bytes to a terminal or file descriptor; errors are of no interest there.
void write_raw(int fd, std::string_view text);

// Whether the stream is a terminal that understands cursor movement, and one that may show colours.
bool is_terminal(int fd);
bool is_colored(int fd);

struct TerminalSize {
    int columns = 80;
    int rows = 24;
};
TerminalSize terminal_size(int fd);

// All of a file descriptor. Errors: unreadable, interrupted, larger than `limit_bytes`.
Result<std::string> read_all(int fd, size_t limit_bytes);

}  // namespace facet::app
