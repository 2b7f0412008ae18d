// What a request's head must look like before it is parsed.
//
// Owns: finding the head's end, and the refusal of every shape that two servers in a row could read
// differently (request smuggling; RFC 9112, sections 2.2, 5, 6.1 to 6.3 and 11.2), among them those
// that the parser behind it (request_parser.h) is lenient about: folded lines, repeated or listed
// Content-Length, transfer codings other than chunked, control characters.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "serve/http_limits.h"

namespace facet::serve {

// Why a request is refused before any handler sees it. The connection cannot go on after it.
struct HttpError {
    int status = 400;
    std::string message;
};

// Looks for the end of a head in a buffer that grows, reading each byte once.
class HeadScanner {
  public:
    enum class Found {
        kNothing,  // more bytes are needed
        kEnd,      // the head is buffer[0, end())
        kBadLine,  // CR or LF alone, NUL, or a first byte that begins no request
    };

    // `buffer` begins with the head and only grows between calls.
    Found scan(std::string_view buffer);
    size_t end() const { return end_; }
    bool nothing_read() const { return at_ == 0; }

  private:
    size_t at_ = 0;          // next byte to read
    size_t line_begin_ = 0;  // of the line that at_ is in
    size_t end_ = 0;
};

// `head` ends with its empty line, as HeadScanner finds it. Nothing if it may be parsed.
std::optional<HttpError> check_request_head(std::string_view head, const HttpLimits& limits);

}  // namespace facet::serve
