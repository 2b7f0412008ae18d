// The batch form of the plumbing commands: one answer line for each line read (docs/cli.md).
//
// Owns reading lines of bounded length and the answers to bad ones. Knows no command.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "base/json.h"
#include "base/result.h"

namespace facet::app {

inline constexpr size_t kLineBytesMax = size_t{64} << 20;

// Lines of a file descriptor, with work linear in what is read and memory bounded by the limit.
class LineReader {
  public:
    enum class Outcome { kLine, kTooLong, kEnd, kFailed };

    LineReader(int fd, size_t limit_bytes) : fd_(fd), limit_(limit_bytes) {}

    // The next line without its newline; a last line without one counts. kTooLong: it is over the
    // limit and was skipped. kFailed: the system's read failed or a signal came.
    Outcome next(std::string& line);

  private:
    bool fill(Outcome& outcome);

    int fd_;
    size_t limit_;
    std::string buffer_;
    size_t start_ = 0;    // of what is not handed out yet
    size_t scanned_ = 0;  // no newline in [start_, scanned_)
    bool at_end_ = false;
};

// The answer to one request, as one line of JSON.
using LineHandler = std::function<Result<std::string>(const Json& request)>;

// Answers every line of `fd` on stdout, each at once, so that a program at the other end of a pipe
// can converse. A line that is no JSON object, or that the handler refuses, is answered {"error":
// ".."}. Returns the exit code.
int run_jsonl(int fd, const LineHandler& handler);

// As run_jsonl, but stops before the first answer if there is more than one line.
int run_single_jsonl(int fd, const LineHandler& handler, const std::string& reason);

}  // namespace facet::app
