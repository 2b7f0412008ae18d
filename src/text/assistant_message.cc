#include "text/assistant_message.h"

#include <algorithm>
#include <cmath>

#include "text/python_text.h"

namespace facet {

namespace {

// Whole numbers beyond are not all doubles; they keep their spelling.
constexpr double kExactMax = 9007199254740992.0;

void make_canonical(Json& value) {
    if (value.is_number()) {
        const Result<double> number = value.to_double();
        if (number.ok() && std::abs(number.value()) < kExactMax) {
            // Without the sign of a zero.
            value = Json::number(number.value() + 0.0);
        }
    }
    for (Json& item : value.items) make_canonical(item);
    for (auto& [key, member] : value.members) make_canonical(member);
    std::sort(value.members.begin(), value.members.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
}

std::string text_of(const Json* content) {
    if (content == nullptr) return {};
    if (content->is_string()) return content->text;
    std::string text;
    for (const Json& part : content->items) {
        for (const char* key : {"text", "refusal"}) {
            const Json* member = part.find(key);
            if (member != nullptr && member->is_string()) text += member->text;
        }
    }
    return text;
}

}  // namespace

Json arguments_object(const Json* arguments) {
    if (arguments == nullptr || arguments->is_null()) return Json::object();
    if (arguments->is_object()) return *arguments;
    if (!arguments->is_string())
        return Json::object().set("arguments", Json::of(arguments->dump()));
    if (arguments->text.empty()) return Json::object();
    Result<Json> parsed = Json::parse(arguments->text);
    if (parsed.ok() && parsed.value().is_object()) return parsed.take();
    if (parsed.ok() && parsed.value().is_null()) return Json::object();
    return Json::object().set("arguments", *arguments);
}

std::string canonical_json(const Json& value) {
    Json copy = value;
    make_canonical(copy);
    return copy.dump();
}

AssistantMessage AssistantMessage::from_json(const Json& message) {
    AssistantMessage said;
    for (const char* key : {"reasoning", "reasoning_content"}) {
        if (said.reasoning.empty()) said.reasoning = strip(text_of(message.find(key)));
    }
    said.content = strip(text_of(message.find("content")));
    const Json* calls = message.find("tool_calls");
    if (calls == nullptr) return said;
    for (const Json& call : calls->items) {
        const Json* function = call.find("function");
        const Json* name = function != nullptr ? function->find("name") : nullptr;
        if (name == nullptr) continue;
        said.add_call(name->text, arguments_object(function->find("arguments")));
    }
    return said;
}

void AssistantMessage::add_call(const std::string& name, const Json& arguments) {
    calls.emplace_back(name, canonical_json(arguments));
}

}  // namespace facet
