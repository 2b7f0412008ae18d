// See api.h.
#include "api.h"

#include <fmt/format.h>

#include <limits>

#include "endpoints/api_errors.h"

namespace facet::app {

namespace {

Result<Json> model_member(const facet_model* model, const char* member) {
    const Json info = FACET_TRY(
        Json::parse(FACET_TRY(api_text([&](char** out) { return facet_model_info(model, out); }))));
    const Json* value = info.find(member);
    if (value == nullptr)
        return invalid_input(fmt::format("the model does not say its {}", member));
    return *value;
}

}  // namespace

Status api_status(facet_status status) {
    if (status == FACET_OK) return {};
    return endpoints::error_of(status, facet_last_error());
}

Result<std::vector<int32_t>> tokenize(const facet_model* model, std::string_view text,
                                      bool parse_special) {
    int32_t* ids = nullptr;
    size_t count = 0;
    FACET_TRY(api_status(
        facet_tokenize(model, text.data(), text.size(), parse_special ? 1 : 0, &ids, &count)));
    std::vector<int32_t> copy(ids, ids + count);
    facet_free(ids);
    return copy;
}

Result<std::string> detokenize(const facet_model* model, const std::vector<int32_t>& ids,
                               bool show_special) {
    char* text = nullptr;
    size_t bytes = 0;
    FACET_TRY(api_status(
        facet_detokenize(model, ids.data(), ids.size(), show_special ? 1 : 0, &text, &bytes)));
    std::string copy(text, bytes);
    facet_free(text);
    return copy;
}

Result<std::vector<int32_t>> raw_prompt(const facet_model* model, std::string_view text) {
    constexpr std::string_view kBos = "<bos>";
    if (text.starts_with(kBos)) return tokenize(model, text, true);
    return tokenize(model, std::string(kBos).append(text), true);
}

Result<int64_t> model_number(const facet_model* model, const char* member) {
    return int64_t{FACET_TRY(FACET_TRY(model_member(model, member)).to_integer())};
}

Result<std::string> model_text(const facet_model* model, const char* member) {
    return FACET_TRY(model_member(model, member)).text;
}

Result<Session> create_session(facet_model* model) {
    facet_session* session = nullptr;
    FACET_TRY(api_status(facet_session_create(model, nullptr, &session)));
    return Session(session);
}

Json ids_to_json(const std::vector<int32_t>& ids) {
    Json list = Json::array();
    for (const int32_t id : ids) list.push(Json::integer(id));
    return list;
}

Result<std::vector<int32_t>> ids_from_json(const Json* ids) {
    if (ids == nullptr || !ids->is_array())
        return invalid_input("\"ids\" must be a list of token ids");
    std::vector<int32_t> out;
    out.reserve(ids->items.size());
    for (const Json& item : ids->items) {
        const auto id = item.to_integer();
        if (!id.ok() || id.value() < 0 || id.value() > std::numeric_limits<int32_t>::max()) {
            return invalid_input(fmt::format("\"ids\" must hold token ids, found {}", item.dump()));
        }
        out.push_back(static_cast<int32_t>(id.value()));
    }
    return out;
}

Result<bool> optional_bool(const Json& object, const char* member, bool otherwise) {
    const Json* value = object.find(member);
    if (value == nullptr || value->is_null()) return otherwise;
    if (!value->is_bool())
        return invalid_input(fmt::format("\"{}\" must be true or false", member));
    return value->boolean;
}

}  // namespace facet::app
