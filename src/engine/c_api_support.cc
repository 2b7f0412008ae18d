#include "engine/c_api_support.h"

#include <algorithm>

namespace facet::c_api {

namespace {

thread_local std::string message_of_thread;

}  // namespace

facet_status fail(facet_status status, std::string message) {
    message_of_thread = std::move(message);
    return status;
}

const char* last_error() { return message_of_thread.c_str(); }

facet_status status_of(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::kInvalidInput: return FACET_ERROR_INVALID;
        case ErrorKind::kNotFound: return FACET_ERROR_NOT_FOUND;
        case ErrorKind::kOutOfMemory: return FACET_ERROR_MEMORY;
        case ErrorKind::kUnsupported: return FACET_ERROR_UNSUPPORTED;
        case ErrorKind::kIo: return FACET_ERROR_IO;
        case ErrorKind::kCancelled: return FACET_ERROR_CANCELLED;
        case ErrorKind::kBusy: return FACET_ERROR_BUSY;
    }
    return FACET_ERROR_INTERNAL;
}

Status require(bool condition, const char* what) {
    if (condition) return {};
    return invalid_input(std::string(what) + ": must not be null");
}

Status check_reserved(std::span<const uint64_t> words, const char* type) {
    if (std::all_of(words.begin(), words.end(), [](uint64_t word) { return word == 0; })) return {};
    return invalid_input(std::string(type) + ".reserved: expected 0; start from " + type +
                         "_default()");
}

char* copy_text(const std::string& text) {
    auto* copy = static_cast<char*>(std::malloc(text.size() + 1));
    if (copy == nullptr) throw std::bad_alloc();
    std::memcpy(copy, text.c_str(), text.size() + 1);
    return copy;
}

int32_t* copy_ids(std::span<const int32_t> ids) {
    auto* copy =
        static_cast<int32_t*>(std::malloc(std::max<size_t>(1, ids.size()) * sizeof(int32_t)));
    if (copy == nullptr) throw std::bad_alloc();
    std::copy(ids.begin(), ids.end(), copy);
    return copy;
}

}  // namespace facet::c_api
