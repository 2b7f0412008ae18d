#include "text/chat_template.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <unordered_map>

#include "text/assistant_message.h"
#include "text/python_text.h"
#include "text/template_values.h"
#include "text/tool_declaration.h"

namespace facet {

namespace {

enum class Role { kSystem, kDeveloper, kUser, kAssistant, kTool };

std::string_view turn_name(Role role) {
    switch (role) {
        case Role::kSystem: return "system";
        case Role::kDeveloper: return "developer";
        case Role::kUser: return "user";
        case Role::kAssistant: return "model";
        case Role::kTool: return "tool";
    }
    return "";
}

std::string describe(const Json* value) {
    if (value == nullptr) return "nothing";
    switch (value->kind) {
        case Json::Kind::kNull: return "null";
        case Json::Kind::kBool: return "a boolean";
        case Json::Kind::kNumber: return "a number";
        case Json::Kind::kString: return fmt::format("\"{}\"", value->text.substr(0, 40));
        case Json::Kind::kArray: return "an array";
        case Json::Kind::kObject: return "an object";
    }
    return "";
}

Error unexpected(std::string_view where, std::string_view expected, const Json* found) {
    return invalid_input(
        fmt::format("{}: expected {}, found {}", where, expected, describe(found)));
}

bool is_absent(const Json* value) { return value == nullptr || value->is_null(); }

// A string that may be missing or null, which counts as empty.
Result<std::string_view> optional_string(const Json& object, std::string_view key,
                                         std::string_view where) {
    const Json* value = object.find(key);
    if (is_absent(value)) return std::string_view();
    if (!value->is_string()) return unexpected(fmt::format("{}.{}", where, key), "a string", value);
    return std::string_view(value->text);
}

// An array that may be missing or null, which counts as empty.
Result<const std::vector<Json>*> optional_array(const Json& object, std::string_view key,
                                                std::string_view where) {
    static const std::vector<Json> empty;
    const Json* value = object.find(key);
    if (is_absent(value)) return &empty;
    if (!value->is_array()) return unexpected(fmt::format("{}.{}", where, key), "an array", value);
    return &value->items;
}

struct Message {
    const Json* json = nullptr;
    Role role = Role::kUser;
    std::string where;  // "messages[3]"
};

Result<Message> read_message(const Json& json, size_t index) {
    static const std::unordered_map<std::string_view, Role> roles = {
        {"system", Role::kSystem},       {"developer", Role::kDeveloper}, {"user", Role::kUser},
        {"assistant", Role::kAssistant}, {"tool", Role::kTool},           {"function", Role::kTool},
    };
    std::string where = fmt::format("messages[{}]", index);
    if (!json.is_object()) return unexpected(where, "an object", &json);
    const Json* role = json.find("role");
    const auto known = role != nullptr && role->is_string() ? roles.find(role->text) : roles.end();
    if (known == roles.end()) {
        return unexpected(where + ".role", "system, developer, user, assistant, tool or function",
                          role);
    }
    return Message{&json, known->second, std::move(where)};
}

// The text without its thoughts: what stands between <|channel> and the next <channel|> (or the
// end), and stray closers.
std::string without_thoughts(std::string_view text) {
    const std::string_view opener = special_text(Special::kChannelBegin);
    const std::string_view closer = special_text(Special::kChannelEnd);
    std::string out;
    while (true) {
        const size_t end = text.find(closer);
        const std::string_view part = text.substr(0, end);
        out += part.substr(0, part.find(opener));
        if (end == std::string_view::npos) return out;
        text.remove_prefix(end + closer.size());
    }
}

// The text without one leading <think>...</think>, which some clients send back inside the answer.
std::string_view without_think_block(std::string_view text) {
    constexpr std::string_view kOpener = "<think>";
    constexpr std::string_view kCloser = "</think>";
    const size_t end = text.find(kCloser);
    if (end == std::string_view::npos || !strip_start(text).starts_with(kOpener)) return text;
    return text.substr(end + kCloser.size());
}

// The placeholder of a content part's type; nothing for types that have none.
std::optional<Special> placeholder(std::string_view part_type) {
    if (part_type == "image" || part_type == "image_url") return Special::kImage;
    if (part_type == "audio" || part_type == "input_audio") return Special::kAudio;
    if (part_type == "video") return Special::kVideo;
    return std::nullopt;
}

class ChatRenderer {
  public:
    ChatRenderer(const ChatOptions& options, const Vocabulary& vocabulary)
        : options_(options), out_(vocabulary) {}

    Result<RenderedChat> render(const Json& messages, const Json* tools) {
        FACET_TRY(read(messages, tools));
        out_.special(Special::kBos);
        FACET_TRY(write_system_turn());
        for (size_t i = 0; i < messages_.size(); ++i) {
            if (messages_[i].role != Role::kTool) FACET_TRY(write_message(i));
        }
        RenderedChat chat;
        if (options_.add_generation_prompt) chat.opens_thought = write_generation_prompt();
        chat.media_count = out_.media_count();
        chat.replies = std::move(replies_);
        chat.pieces = out_.take();
        return chat;
    }

  private:
    enum class Last { kNeither, kCall, kResponse };

    Status read(const Json& messages, const Json* tools) {
        if (!messages.is_array()) return unexpected("messages", "an array", &messages);
        for (size_t i = 0; i < messages.items.size(); ++i) {
            messages_.push_back(FACET_TRY(read_message(messages.items[i], i)));
        }
        if (!messages_.empty()) {
            const Role first = messages_.front().role;
            if (first == Role::kSystem || first == Role::kDeveloper) {
                system_ = messages_.front();
                messages_.erase(messages_.begin());
            }
        }
        for (size_t i = 0; i < messages_.size(); ++i) {
            if (messages_[i].role == Role::kUser) after_last_user_ = i + 1;
        }
        if (is_absent(tools)) return {};
        if (!tools->is_array()) return unexpected("tools", "an array", tools);
        for (size_t i = 0; i < tools->items.size(); ++i) {
            FACET_TRY(check_tool(tools->items[i], fmt::format("tools[{}]", i)));
        }
        tools_ = &tools->items;
        return {};
    }

    // gemma4-chat 2.3.
    Status write_system_turn() {
        const bool has_tools = tools_ != nullptr && !tools_->empty();
        if (!options_.enable_thinking && !has_tools && !system_) return {};
        open_turn(Role::kSystem);
        if (options_.enable_thinking) {
            out_.special(Special::kThink);
            out_.text("\n");
        }
        if (system_) FACET_TRY(write_system_text(*system_));
        if (has_tools) {
            for (const Json& tool : *tools_) write_declaration(out_, tool, options_.exact);
        }
        close_turn();
        return {};
    }

    Status write_system_text(const Message& message) {
        const Json* content = message.json->find("content");
        const std::string where = message.where + ".content";
        if (is_absent(content)) return {};
        if (content->is_string()) {
            out_.text(strip(content->text));
            return {};
        }
        if (!content->is_array())
            return unexpected(where, "a string, null or an array of parts", content);
        for (size_t i = 0; i < content->items.size(); ++i) {
            const Json& part = content->items[i];
            const std::string part_where = fmt::format("{}[{}]", where, i);
            if (!part.is_object()) return unexpected(part_where, "an object", &part);
            out_.text(strip(FACET_TRY(optional_string(part, "text", part_where))));
            out_.text(" ");
        }
        return {};
    }

    // gemma4-chat 2.4, steps 1 to 6.
    Status write_message(size_t index) {
        const Message& message = messages_[index];
        const bool is_assistant = message.role == Role::kAssistant;
        if (!is_assistant || previous_role_ != Role::kAssistant) open_turn(message.role);
        previous_role_ = message.role;

        const auto& calls = *FACET_TRY(optional_array(*message.json, "tool_calls", message.where));
        RenderedReply reply{message.json, out_.cut(), 0, keeps_thought(index, !calls.empty())};
        if (reply.keeps_thought) FACET_TRY(write_thought(message));
        FACET_TRY(write_calls(message, calls));
        if (!calls.empty()) reply.end = out_.cut();
        const bool has_responses = FACET_TRY(write_responses(index, calls));
        const bool has_text = FACET_TRY(write_content(message));
        if (calls.empty()) reply.end = out_.cut();
        // Text that stands behind its results is not where the model wrote it.
        if (is_assistant && (calls.empty() || !has_text)) replies_.push_back(reply);
        last_ = has_responses ? Last::kResponse : calls.empty() ? Last::kNeither : Last::kCall;

        const Message* next = next_turn_message(index);
        turn_is_closed_ = false;
        if (last_ == Last::kCall) {
            out_.special(Special::kToolResponseBegin);
        } else if (is_assistant && next != nullptr && next->role == Role::kAssistant) {
            // The next message continues this turn.
        } else if (!has_responses || has_text || next != nullptr) {
            close_turn();
        }
        return {};
    }

    const Message* next_turn_message(size_t index) const {
        for (size_t i = index + 1; i < messages_.size(); ++i) {
            if (messages_[i].role != Role::kTool) return &messages_[i];
        }
        return nullptr;
    }

    bool keeps_thought(size_t index, bool has_calls) const {
        return index >= after_last_user_ || (options_.preserve_thinking && has_calls);
    }

    Status write_thought(const Message& message) {
        std::string_view thought =
            FACET_TRY(optional_string(*message.json, "reasoning", message.where));
        if (thought.empty()) {
            thought = FACET_TRY(optional_string(*message.json, "reasoning_content", message.where));
        }
        if (thought.empty()) return {};
        open_thought();
        out_.text(thought);
        out_.text("\n");
        out_.special(Special::kChannelEnd);
        return {};
    }

    Status write_calls(const Message& message, const std::vector<Json>& calls) {
        for (size_t i = 0; i < calls.size(); ++i) {
            const std::string where = fmt::format("{}.tool_calls[{}].function", message.where, i);
            const Json* function = calls[i].find("function");
            if (function == nullptr || !function->is_object())
                return unexpected(where, "an object", function);
            const Json* name = function->find("name");
            if (name == nullptr || !name->is_string())
                return unexpected(where + ".name", "a string", name);
            out_.special(Special::kToolCallBegin);
            out_.text("call:");
            out_.text(name->text);
            write_value(out_, arguments_object(function->find("arguments")), KeyForm::kBare);
            out_.special(Special::kToolCallEnd);
        }
        return {};
    }

    // The message's own tool_responses, or else the tool messages that follow its calls. Says
    // whether there were any.
    Result<bool> write_responses(size_t index, const std::vector<Json>& calls) {
        const Message& message = messages_[index];
        const auto& own =
            *FACET_TRY(optional_array(*message.json, "tool_responses", message.where));
        for (size_t i = 0; i < own.size(); ++i) {
            const std::string where = fmt::format("{}.tool_responses[{}]", message.where, i);
            if (!own[i].is_object()) return unexpected(where, "an object", &own[i]);
            const std::string_view name = FACET_TRY(optional_string(own[i], "name", where));
            const Json* response = own[i].find("response");
            // A missing response is Jinja's undefined, which prints as an empty list.
            write_response(name, response == nullptr ? Json::array() : *response);
        }
        if (!own.empty()) return true;
        if (calls.empty()) return false;

        // By the printed id, so that a call and a result both without one match, as in the official
        // template.
        std::unordered_map<std::string, std::string_view> names;
        const auto printed_id = [](const Json* id) { return id == nullptr ? "null" : id->dump(); };
        for (const Json& call : calls)
            names[printed_id(call.find("id"))] = call.find("function")->find("name")->text;
        size_t next = index + 1;
        for (; next < messages_.size() && messages_[next].role == Role::kTool; ++next) {
            const Message& result = messages_[next];
            std::string_view name = FACET_TRY(optional_string(*result.json, "name", result.where));
            const auto named = names.find(printed_id(result.json->find("tool_call_id")));
            if (named != names.end()) name = named->second;
            FACET_TRY(write_tool_message(result, name));
        }
        return next > index + 1;
    }

    Status write_tool_message(const Message& message, std::string_view name) {
        const Json* content = message.json->find("content");
        if (content == nullptr || !content->is_array()) {
            write_response(name, content == nullptr ? Json::null() : *content);
            return {};
        }
        std::string text;
        std::vector<Special> media;
        for (size_t i = 0; i < content->items.size(); ++i) {
            const Json& part = content->items[i];
            const std::string where = fmt::format("{}.content[{}]", message.where, i);
            if (!part.is_object()) return unexpected(where, "an object", &part);
            const std::string_view type = FACET_TRY(optional_string(part, "type", where));
            if (type == "text") text += FACET_TRY(optional_string(part, "text", where));
            if (const auto special = placeholder(type)) media.push_back(*special);
        }
        write_response(name, Json::of(text));
        for (const Special special : media) out_.special(special);
        return {};
    }

    // gemma4-chat 2.7.
    void write_response(std::string_view name, const Json& response) {
        out_.special(Special::kToolResponseBegin);
        out_.text("response:");
        out_.text(name.empty() ? "unknown" : name);
        if (response.is_object()) {
            write_value(out_, response, KeyForm::kBare);
        } else {
            out_.text("{value:");
            write_value(out_, response, KeyForm::kBare);
            out_.text("}");
        }
        out_.special(Special::kToolResponseEnd);
    }

    // Says whether anything was printed.
    Result<bool> write_content(const Message& message) {
        const Json* content = message.json->find("content");
        if (is_absent(content)) return false;
        if (content->is_string()) return write_text(message.role, content->text);
        const std::string where = message.where + ".content";
        if (!content->is_array())
            return unexpected(where, "a string, null or an array of parts", content);
        bool has_printed = false;
        for (size_t i = 0; i < content->items.size(); ++i) {
            const Json& part = content->items[i];
            const std::string part_where = fmt::format("{}[{}]", where, i);
            if (!part.is_object()) return unexpected(part_where, "an object", &part);
            const std::string_view type = FACET_TRY(optional_string(part, "type", part_where));
            if (type == "text" || (type == "refusal" && !options_.exact)) {
                const std::string_view text = FACET_TRY(optional_string(part, type, part_where));
                has_printed |= write_text(message.role, text);
            } else if (const auto special = placeholder(type)) {
                out_.special(*special);
                has_printed = true;
            }
        }
        return has_printed;
    }

    bool write_text(Role role, std::string_view text) {
        std::string thoughtless;
        if (role == Role::kAssistant) {
            thoughtless = without_thoughts(options_.exact ? text : without_think_block(text));
            text = thoughtless;
        }
        text = strip(text);
        out_.text(text);
        return !text.empty();
    }

    // gemma4-chat 2.5. Says whether the prompt ends in a half-open thought.
    bool write_generation_prompt() {
        if (last_ == Last::kNeither) {
            open_turn(Role::kAssistant);
            if (!options_.enable_thinking && options_.variant == ChatOptions::Template::kLarge) {
                open_thought();
                out_.special(Special::kChannelEnd);
            }
            return false;
        }
        if (last_ == Last::kCall) return false;
        // After a text that follows its results the official template goes on outside of any turn.
        if (turn_is_closed_ && !options_.exact) open_turn(Role::kAssistant);
        if (options_.enable_thinking) open_thought();
        return options_.enable_thinking;
    }

    void open_turn(Role role) {
        out_.special(Special::kTurnBegin);
        out_.text(turn_name(role));
        out_.text("\n");
    }

    void close_turn() {
        out_.special(Special::kTurnEnd);
        out_.text("\n");
        turn_is_closed_ = true;
    }

    void open_thought() {
        out_.special(Special::kChannelBegin);
        out_.text("thought\n");
    }

    const ChatOptions& options_;
    PieceWriter out_;
    std::optional<Message> system_;  // the first message, if it is system's or developer's
    std::vector<Message> messages_;  // all others
    std::vector<RenderedReply> replies_;
    const std::vector<Json>* tools_ = nullptr;
    size_t after_last_user_ = 0;
    std::optional<Role> previous_role_;  // of the last message printed as a turn
    Last last_ = Last::kNeither;         // what that message printed last, its text aside
    bool turn_is_closed_ = false;
};

Status read_flag(const Json& options, std::string_view key, bool& flag) {
    const Json* value = options.find(key);
    if (is_absent(value)) return {};
    if (!value->is_bool())
        return unexpected(fmt::format("options.{}", key), "true or false", value);
    flag = value->boolean;
    return {};
}

}  // namespace

Result<ChatOptions> chat_options_from_json(const Json* options, const ChatOptions& defaults) {
    ChatOptions result = defaults;
    if (is_absent(options)) return result;
    if (!options->is_object()) return unexpected("options", "an object", options);
    if (const Json* name = options->find("template"); !is_absent(name)) {
        if (name->is_string() && name->text == "large") {
            result.variant = ChatOptions::Template::kLarge;
        } else if (name->is_string() && name->text == "small") {
            result.variant = ChatOptions::Template::kSmall;
        } else {
            return unexpected("options.template", "\"large\" or \"small\"", name);
        }
    }
    FACET_TRY(read_flag(*options, "add_generation_prompt", result.add_generation_prompt));
    FACET_TRY(read_flag(*options, "enable_thinking", result.enable_thinking));
    FACET_TRY(read_flag(*options, "preserve_thinking", result.preserve_thinking));
    FACET_TRY(read_flag(*options, "exact", result.exact));
    return result;
}

Result<RenderedChat> render_chat(const Json& messages, const Json* tools,
                                 const ChatOptions& options, const Vocabulary& vocabulary) {
    return ChatRenderer(options, vocabulary).render(messages, tools);
}

std::string rendered_text(const std::vector<Piece>& pieces, const Vocabulary& vocabulary) {
    std::string text;
    for (const Piece& piece : pieces) {
        if (piece.special_id >= 0) {
            text += special_text(static_cast<Special>(vocabulary.special_of(piece.special_id)));
        } else {
            text += piece.text;
        }
    }
    return text;
}

}  // namespace facet
