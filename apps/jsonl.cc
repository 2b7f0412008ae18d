// See jsonl.h.
#include "jsonl.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "console.h"

namespace facet::app {

namespace {

std::string error_line(std::string_view message) {
    std::string out = "{\"error\":";
    append_json_string(out, message);
    return out + "}";
}

Result<std::string> answer(LineReader::Outcome outcome, const std::string& line,
                           const LineHandler& handler) {
    if (outcome == LineReader::Outcome::kTooLong) {
        return invalid_input(fmt::format("the line is longer than {} bytes", kLineBytesMax));
    }
    const Json request = FACET_TRY(Json::parse(line));
    if (!request.is_object()) return invalid_input("a request must be a JSON object");
    return handler(request);
}

// Prints the answer or the error; true if there was none.
bool print_answer(Result<std::string> reply) {
    if (!reply.ok()) {
        write_stdout(error_line(reply.error().message) + "\n");
        return false;
    }
    reply.value() += '\n';
    return write_stdout(reply.value());
}

int read_failed() {
    return fail({ErrorKind::kIo, fmt::format("cannot read: {}", std::strerror(errno))});
}

}  // namespace

bool LineReader::fill(Outcome& outcome) {
    constexpr size_t kChunk = size_t{1} << 16;
    if (start_ > 0) {
        buffer_.erase(0, start_);
        scanned_ -= start_;
        start_ = 0;
    }
    const size_t size = buffer_.size();
    buffer_.resize(size + kChunk);
    const ssize_t count = ::read(fd_, buffer_.data() + size, kChunk);
    buffer_.resize(size + (count > 0 ? static_cast<size_t>(count) : 0));
    if (count < 0) outcome = Outcome::kFailed;
    if (count == 0) at_end_ = true;
    return count >= 0;
}

LineReader::Outcome LineReader::next(std::string& line) {
    line.clear();
    bool too_long = false;
    while (true) {
        const size_t newline = buffer_.find('\n', scanned_);
        const bool found = newline != std::string::npos;
        if (found || at_end_) {
            const size_t end = found ? newline : buffer_.size();
            const size_t begin = start_;
            start_ = scanned_ = found ? end + 1 : end;
            if (!found && end == begin && !too_long) return Outcome::kEnd;
            if (too_long || end - begin > limit_) return Outcome::kTooLong;
            line.assign(buffer_, begin, end - begin);
            return Outcome::kLine;
        }
        scanned_ = buffer_.size();
        if (scanned_ - start_ > limit_) {
            too_long = true;
            start_ = scanned_;
        }
        Outcome outcome = Outcome::kLine;
        if (!fill(outcome)) return outcome;
    }
}

int run_jsonl(int fd, const LineHandler& handler) {
    LineReader reader(fd, kLineBytesMax);
    std::string line;
    int code = kExitOk;
    while (true) {
        const LineReader::Outcome outcome = reader.next(line);
        if (outcome == LineReader::Outcome::kEnd) return code;
        if (outcome == LineReader::Outcome::kFailed) return read_failed();
        if (!print_answer(answer(outcome, line, handler))) code = kExitFailed;
        if (!write_stdout("")) return kExitFailed;
    }
}

int run_single_jsonl(int fd, const LineHandler& handler, const std::string& reason) {
    LineReader reader(fd, kLineBytesMax);
    std::string line;
    std::string more;
    const LineReader::Outcome outcome = reader.next(line);
    if (outcome == LineReader::Outcome::kFailed) return read_failed();
    if (outcome == LineReader::Outcome::kEnd || reader.next(more) != LineReader::Outcome::kEnd) {
        return fail(invalid_input(reason));
    }
    return print_answer(answer(outcome, line, handler)) ? kExitOk : kExitFailed;
}

}  // namespace facet::app
