#include "endpoints/json_forms.h"

namespace facet::endpoints {

Json one_member(const char* name, Json value) {
    Json object = Json::object();
    return object.set(name, std::move(value));
}

Json typed(std::string_view type) { return one_member("type", Json::of(type)); }

Json chat_message(std::string_view role, Json content) {
    return one_member("role", Json::of(role)).set("content", std::move(content));
}

Json function_entry(Json function) {
    return typed("function").set("function", std::move(function));
}

Json function_call(Json id, Json name, Json arguments) {
    Json function = one_member("name", std::move(name));
    function.set("arguments", std::move(arguments));
    return one_member("id", std::move(id))
        .set("type", Json::of("function"))
        .set("function", std::move(function));
}

}  // namespace facet::endpoints
