#include "endpoints/api_errors.h"

#include <chrono>

namespace facet::endpoints {

namespace {

// When a client may try again that found the queue full.
constexpr std::chrono::seconds kRetryAfter{1};

bool is_field_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '[' ||
           c == ']';
}

std::string_view type_of(int status) {
    if (status == 429) return "rate_limit_error";
    return status < 500 ? "invalid_request_error" : "server_error";
}

}  // namespace

Error error_of(facet_status status, std::string message) {
    switch (status) {
        case FACET_ERROR_INVALID: return {ErrorKind::kInvalidInput, std::move(message)};
        case FACET_ERROR_NOT_FOUND: return {ErrorKind::kNotFound, std::move(message)};
        case FACET_ERROR_MEMORY: return {ErrorKind::kOutOfMemory, std::move(message)};
        case FACET_ERROR_UNSUPPORTED: return {ErrorKind::kUnsupported, std::move(message)};
        case FACET_ERROR_BUSY: return {ErrorKind::kBusy, std::move(message)};
        case FACET_ERROR_CANCELLED: return {ErrorKind::kCancelled, std::move(message)};
        default: return {ErrorKind::kIo, std::move(message)};
    }
}

std::string_view named_field(std::string_view message) {
    size_t end = 0;
    while (end < message.size() && is_field_character(message[end])) ++end;
    if (end == 0 || message.substr(end, 2) != ": " || message[0] < 'a') return {};
    return message.substr(0, end);
}

int status_of(const Error& error) {
    switch (error.kind) {
        case ErrorKind::kInvalidInput:
        case ErrorKind::kUnsupported: return 400;
        case ErrorKind::kNotFound: return 404;
        case ErrorKind::kBusy: return 429;
        case ErrorKind::kOutOfMemory:
        case ErrorKind::kCancelled: return 503;
        case ErrorKind::kIo: return 500;
    }
    return 500;
}

Json error_json(const Error& error) {
    const std::string_view name = named_field(error.message);
    const bool is_too_long = error.message.find("context") != std::string::npos && name.empty() &&
                             error.kind == ErrorKind::kInvalidInput;
    Json body = Json::object(), inner = Json::object();
    inner.set("message", Json::of(error.message))
        .set("type", Json::of(type_of(status_of(error))))
        .set("param", name.empty() ? Json::null() : Json::of(name))
        .set("code", is_too_long ? Json::of("context_length_exceeded") : Json::null());
    return body.set("type", Json::of("error")).set("error", std::move(inner));
}

serve::Response error_answer(const Error& error) {
    const int status = status_of(error);
    if (status == 429 || status == 503)
        return serve::retry_response(status, error.message, kRetryAfter);
    return serve::json_response(status, error_json(error).dump());
}

}  // namespace facet::endpoints
