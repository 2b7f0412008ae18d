// See response_text.h.
#include "serve/response_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace facet::serve {

namespace {

void append_field(std::string& out, std::string_view name, std::string_view value) {
    out += name;
    out += ": ";
    const size_t begin = out.size();
    out += value;
    std::replace_if(
        out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(),
        [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
    out += "\r\n";
}

}  // namespace

std::string head_text(int status, const Headers& headers, const HeadOptions& options) {
    std::string out = fmt::format("HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
    append_field(out, "date", http_date(options.time));
    for (const auto& [name, value] : headers.all()) append_field(out, name, value);
    append_field(out, "x-content-type-options", "nosniff");
    if (!options.request_id.empty()) append_field(out, "x-request-id", options.request_id);
    if (options.framing == BodyFraming::kLength) {
        append_field(out, "content-length", std::to_string(options.body_bytes));
    } else if (options.framing == BodyFraming::kChunked) {
        append_field(out, "transfer-encoding", "chunked");
    }
    if (options.close) {
        append_field(out, "connection", "close");
    } else if (options.http_1_0) {
        append_field(out, "connection", "keep-alive");
    }
    return out + "\r\n";
}

std::string chunk_text(std::string_view bytes) {
    return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

std::string http_date(std::time_t time) {
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::tm utc{};
    gmtime_r(&time, &utc);
    return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[utc.tm_wday], utc.tm_mday,
                       kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                       utc.tm_sec);
}

}  // namespace facet::serve
