// Requests and responses as values.
//
// Owns: Request, Response, Headers, the reason phrases and the JSON of error answers. Knows neither
// sockets nor routes.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace facet::serve {

// Header fields in order. Names are in lower case.
class Headers {
  public:
    void add(std::string_view name, std::string value);
    // The first value of that name (given in lower case), or null.
    const std::string* find(std::string_view name) const;
    const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

  private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

struct Request {
    std::string method;  // as sent: "GET"
    std::string path;    // as sent, with its percent escapes: "/v1/models"
    std::string query;   // what follows '?', as sent
    Headers headers;     // those of the head; a chunked body's trailers are dropped
    std::string body;
    // The values of a pattern's {names}, decoded, in order (router.h).
    std::vector<std::string> path_parameters;
    std::string peer;  // the client's address
    std::string id;    // the client's x-request-id if it is a plain word, else made here
    std::chrono::steady_clock::time_point received;  // when the head was complete
    // Stops when nobody waits for the answer any longer: the client left, was too slow, or the
    // server closes. Callbacks run on the I/O thread and must be short.
    std::stop_token cancelled;
    // The body's share of HttpLimits::body_bytes_total, given back with the request.
    std::shared_ptr<void> body_share;

    // A parameter of the query, decoded; nothing if it is absent or badly escaped.
    std::optional<std::string> query_parameter(std::string_view name) const;
};

struct Response {
    int status = 200;
    Headers headers;
    std::string body;
};

// Undoes percent escapes, and '+' for a space if `form`. Nothing if an escape is broken or is %00.
std::optional<std::string> percent_decode(std::string_view text, bool form);

// "Not Found" for 404; "Unknown" for a status without a row.
std::string_view reason_phrase(int status);

Response json_response(int status, std::string body);

// An error in the form that clients of OpenAI and of Anthropic both read.
Response error_response(int status, std::string_view message);

// 429 or 503 with Retry-After.
Response retry_response(int status, std::string_view message, std::chrono::seconds after);

// ASCII only, as HTTP's names are.
std::string to_lower(std::string_view text);
bool equals_ignoring_case(std::string_view a, std::string_view b);
std::string_view trim(std::string_view text);  // spaces and tabs at both ends
// A character of HTTP's `token` (RFC 9110, section 5.6.2).
bool is_token_char(char c);

}  // namespace facet::serve
