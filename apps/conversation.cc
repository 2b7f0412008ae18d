// See conversation.h.
#include "conversation.h"

#include <fmt/format.h>

#include "atomic_file.h"
#include "base/mapped_file.h"
#include "text_input.h"

namespace facet::app {

namespace {

Json message(const char* role, std::string_view content) {
    return Json::object().set("role", Json::of(role)).set("content", Json::of(content));
}

bool is_system(const Json& message) {
    const Json* role = message.find("role");
    return role != nullptr && (role->text == "system" || role->text == "developer");
}

Status check_messages(const std::string& path, const Json& file) {
    const Json* messages = file.find("messages");
    if (messages == nullptr || !messages->is_array()) {
        return invalid_input(fmt::format("{}: expected {{\"messages\": [..]}}", path));
    }
    for (size_t i = 0; i < messages->items.size(); ++i) {
        const Json* role = messages->items[i].find("role");
        if (role == nullptr || !role->is_string()) {
            return invalid_input(fmt::format("{}: message {} has no \"role\"", path, i));
        }
    }
    return {};
}

}  // namespace

void Conversation::add_user(std::string_view text) { messages.push(message("user", text)); }

void Conversation::add_assistant(std::string_view content, std::string_view reasoning) {
    Json answer = message("assistant", content);
    if (!reasoning.empty()) answer.set("reasoning_content", Json::of(reasoning));
    messages.push(std::move(answer));
}

void Conversation::drop_last() {
    if (!messages.items.empty()) messages.items.pop_back();
}

Json Conversation::all_messages() const {
    Json all = Json::array();
    if (!system.empty()) all.push(message("system", system));
    for (const Json& one : messages.items) all.push(one);
    return all;
}

Json Conversation::request() const {
    Json options = Json::object();
    if (thinking != Thinking::kDefault) {
        options.set("enable_thinking", Json::of(thinking == Thinking::kOn));
    }
    return Json::object()
        .set("messages", all_messages())
        .set("tools", tools)
        .set("options", options);
}

Status Conversation::save(const std::string& path) const {
    return write_file(path, Json::object().set("messages", all_messages()).dump() + "\n");
}

Status Conversation::load(const std::string& path) {
    const std::string text = FACET_TRY(read_text_file(path, kInputBytesMax));
    const auto parsed = Json::parse(text);
    if (!parsed.ok()) return invalid_input(fmt::format("{}: {}", path, parsed.error().message));
    const Json& file = parsed.value();
    FACET_TRY(check_messages(path, file));
    Json loaded = *file.find("messages");
    std::string loaded_system;
    if (!loaded.items.empty() && is_system(loaded.items.front())) {
        const Json* content = loaded.items.front().find("content");
        if (content == nullptr || !content->is_string()) {
            return invalid_input(
                fmt::format("{}: the system message's \"content\" must be text", path));
        }
        loaded_system = content->text;
        loaded.items.erase(loaded.items.begin());
    }
    messages = std::move(loaded);
    system = std::move(loaded_system);
    return {};
}

Result<Json> read_tools(const std::string& path) {
    if (path.empty()) return Json::null();
    auto tools = Json::parse(FACET_TRY(read_text_file(path, kInputBytesMax)));
    if (!tools.ok()) return invalid_input(fmt::format("{}: {}", path, tools.error().message));
    if (!tools.value().is_array()) {
        return invalid_input(fmt::format("{}: expected a JSON list of tools", path));
    }
    return tools;
}

}  // namespace facet::app
