// See request_head.h.
#include "serve/request_head.h"

#include <algorithm>

#include "serve/http_message.h"

namespace facet::serve {

namespace {

// Beyond any number of bytes that a body may have, and far from overflow.
constexpr size_t kContentLengthDigitsMax = 18;
constexpr size_t kMethodBytesMax = 32;

HttpError bad(std::string message) { return {400, std::move(message)}; }

bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

// Visible ASCII: what a request target and a host consist of.
bool is_visible(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

bool is_digits(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool has_control_character(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) {
        return c == '\x7f' || (static_cast<unsigned char>(c) < ' ' && c != '\t');
    });
}

// Takes a line, without its CRLF, from a head in which every line ends with one.
std::string_view take_line(std::string_view& rest) {
    const size_t end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(rest.size(), line.size() + 2));
    return line;
}

struct Framing {
    bool http_1_0 = false;
    size_t hosts = 0;
    size_t content_lengths = 0;
    size_t transfer_encodings = 0;
};

std::optional<HttpError> check_request_line(std::string_view line, const HttpLimits& limits,
                                            Framing& framing) {
    const size_t first = line.find(' ');
    const size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) {
        return bad("the request line is not 'METHOD TARGET VERSION'");
    }
    const std::string_view method = line.substr(0, first);
    const std::string_view target = line.substr(first + 1, last - first - 1);
    const std::string_view version = line.substr(last + 1);
    if (!is_token(method) || method.size() > kMethodBytesMax) return bad("the method is no token");
    if (target.size() > limits.target_bytes)
        return HttpError{414, "the request target is too long"};
    if (!is_visible(target)) {
        return bad("the request target holds characters that must be escaped");
    }
    framing.http_1_0 = version == "HTTP/1.0";
    if (framing.http_1_0 || version == "HTTP/1.1") return std::nullopt;
    if (version.starts_with("HTTP/")) {
        return HttpError{505, "the server speaks HTTP/1.1 and HTTP/1.0"};
    }
    return bad("the request line does not end with an HTTP version");
}

std::optional<HttpError> check_framing_field(std::string_view name, std::string_view value,
                                             Framing& framing) {
    if (equals_ignoring_case(name, "host")) {
        ++framing.hosts;
        if (!value.empty() && !is_visible(value)) return bad("the Host header is malformed");
    } else if (equals_ignoring_case(name, "content-length")) {
        ++framing.content_lengths;
        if (!is_digits(value) || value.size() > kContentLengthDigitsMax) {
            return bad("Content-Length is no number of bytes");
        }
    } else if (equals_ignoring_case(name, "transfer-encoding")) {
        ++framing.transfer_encodings;
        if (!equals_ignoring_case(value, "chunked")) {
            return HttpError{501, "the only transfer coding understood is chunked"};
        }
    }
    return std::nullopt;
}

std::optional<HttpError> check_field(std::string_view line, Framing& framing) {
    if (line[0] == ' ' || line[0] == '\t') return bad("a header line is folded or begins blank");
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
        return bad("a header line does not begin with a name and a colon");
    }
    const std::string_view value = trim(line.substr(colon + 1));
    if (has_control_character(value)) return bad("a header value holds control characters");
    return check_framing_field(line.substr(0, colon), value, framing);
}

std::optional<HttpError> check_framing(const Framing& framing) {
    if (framing.hosts > 1 || (framing.hosts == 0 && !framing.http_1_0)) {
        return bad("a request has exactly one Host header");
    }
    if (framing.content_lengths + framing.transfer_encodings > 1) {
        return bad("a body has one Content-Length or one Transfer-Encoding");
    }
    if (framing.transfer_encodings > 0 && framing.http_1_0) {
        return bad("HTTP/1.0 has no Transfer-Encoding");
    }
    return std::nullopt;
}

}  // namespace

HeadScanner::Found HeadScanner::scan(std::string_view buffer) {
    // What begins no method begins no request: a TLS handshake on a plain port, for example.
    if (at_ == 0 && !buffer.empty() && !is_token_char(buffer[0])) return Found::kBadLine;
    for (; at_ < buffer.size(); ++at_) {
        const char c = buffer[at_];
        if (c == '\0') return Found::kBadLine;
        const bool after_cr = at_ > line_begin_ && buffer[at_ - 1] == '\r';
        if ((c == '\n') != after_cr) return Found::kBadLine;
        if (c != '\n') continue;
        const bool is_empty = at_ - line_begin_ == 1;
        line_begin_ = at_ + 1;
        if (is_empty) {
            end_ = ++at_;
            return Found::kEnd;
        }
    }
    return Found::kNothing;
}

std::optional<HttpError> check_request_head(std::string_view head, const HttpLimits& limits) {
    Framing framing;
    std::string_view rest = head;
    if (auto error = check_request_line(take_line(rest), limits, framing)) return error;
    size_t count = 0;
    for (std::string_view line = take_line(rest); !line.empty(); line = take_line(rest)) {
        if (++count > limits.header_count) return HttpError{431, "there are too many headers"};
        if (auto error = check_field(line, framing)) return error;
    }
    return check_framing(framing);
}

}  // namespace facet::serve
