// The C API in C++: handles that close themselves and errors as Result. Adds no meaning of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "facet/facet.h"

namespace facet::app {

struct CloseHandle {
    void operator()(facet_model* model) const { facet_model_close(model); }
    void operator()(facet_session* session) const { facet_session_destroy(session); }
};
using Model = std::unique_ptr<facet_model, CloseHandle>;
using Session = std::unique_ptr<facet_session, CloseHandle>;

// Ok for FACET_OK, else facet_last_error() with the kind that fits.
Status api_status(facet_status status);

// A call that answers JSON text through a char**, as in api_text([&](char** out) { return
// facet_inspect(.., out); }).
template <typename Call>
Result<std::string> api_text(const Call& call) {
    char* text = nullptr;
    const Status status = api_status(call(&text));
    if (!status.ok()) return Error(status.error());
    std::string copy(text);
    facet_free(text);
    return copy;
}

Result<std::vector<int32_t>> tokenize(const facet_model* model, std::string_view text,
                                      bool parse_special);
Result<std::string> detokenize(const facet_model* model, const std::vector<int32_t>& ids,
                               bool show_special);
// The ids of <bos> and a text whose special strings count; <bos> is not doubled.
Result<std::vector<int32_t>> raw_prompt(const facet_model* model, std::string_view text);
// A member of facet_model_info that must be a number / text.
Result<int64_t> model_number(const facet_model* model, const char* member);
Result<std::string> model_text(const facet_model* model, const char* member);
Result<Session> create_session(facet_model* model);

// Json and back.
Json ids_to_json(const std::vector<int32_t>& ids);
// Errors: not an array of 32-bit integers.
Result<std::vector<int32_t>> ids_from_json(const Json* ids);
// A member that may be missing or null. Errors: present and not a boolean.
Result<bool> optional_bool(const Json& object, const char* member, bool otherwise);

}  // namespace facet::app
