// Responses to bytes.
//
// Owns: status line, the headers that every answer has, chunked coding.
#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include "serve/http_message.h"

namespace facet::serve {

enum class BodyFraming {
    kLength,      // Content-Length
    kChunked,     // Transfer-Encoding: chunked
    kUntilClose,  // HTTP/1.0 without a length
    kNone,        // a status without a body
};

struct HeadOptions {
    BodyFraming framing = BodyFraming::kLength;
    size_t body_bytes = 0;  // with kLength
    bool close = false;
    bool http_1_0 = false;  // then an open connection is worth saying
    std::string_view request_id;
    std::time_t time = 0;  // for the Date header
};

// Status line and headers with the empty line. Characters in values that would end a line are
// replaced, so that no handler can be made to add one.
std::string head_text(int status, const Headers& headers, const HeadOptions& options);

// One chunk; `bytes` is not empty, because an empty chunk ends the body.
std::string chunk_text(std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, section 5.6.7).
std::string http_date(std::time_t time);

}  // namespace facet::serve
