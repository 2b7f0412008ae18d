// See slash_commands.h. A new command is a row in the table.
#include "slash_commands.h"

#include <fmt/format.h>

#include "api.h"
#include "console.h"
#include "reply.h"
#include "terminal_text.h"

namespace facet::app {

namespace {

void say(std::string_view text) { write_raw(kStderr, neutralize(text) + "\n"); }

void clear(ChatState& state, const std::string&) {
    state.conversation.messages = Json::array();
    state.usage.reset();
    say("The conversation starts anew.");
}

void set_system(ChatState& state, const std::string& text) {
    std::string& system = state.conversation.system;
    if (!text.empty()) system = text == "-" ? "" : text;
    say(system.empty() ? "There is no system message." : "System message: " + system);
}

void set_think(ChatState& state, const std::string& word) {
    Thinking& thinking = state.conversation.thinking;
    if (word == "on" || word == "hide") {
        thinking = Thinking::kOn;
        state.show_thoughts = word == "on";
    } else if (word == "off") {
        thinking = Thinking::kOff;
    } else if (!word.empty()) {
        return say("Expected /think on, /think off or /think hide.");
    }
    if (thinking != Thinking::kOn) return say("Thinking is off.");
    say(state.show_thoughts ? "Thinking is on." : "Thinking is on, thoughts are hidden.");
}

void save(ChatState& state, const std::string& path) {
    if (path.empty()) return say("Expected a file: /save FILE");
    const Status saved = state.conversation.save(path);
    say(saved.ok() ? fmt::format("Saved to {}.", path) : saved.error().message);
}

void load(ChatState& state, const std::string& path) {
    if (path.empty()) return say("Expected a file: /load FILE");
    Conversation loaded = state.conversation;
    Status status = loaded.load(path);
    if (status.ok() && state.model != nullptr && !loaded.messages.items.empty()) {
        const std::string request = loaded.request().dump();
        const auto rendered =
            api_text([&](char** out) { return facet_render(state.model, request.c_str(), out); });
        if (!rendered.ok()) status = rendered.error();
    }
    if (!status.ok()) return say(status.error().message);
    state.conversation = std::move(loaded);
    state.usage.reset();
    say(fmt::format("Loaded {} messages.", state.conversation.messages.items.size()));
}

void stats(ChatState& state, const std::string&) {
    say(state.usage ? usage_text(*state.usage) : "There is no answer yet.");
}

void help(ChatState&, const std::string&);

struct ChatCommand {
    std::string_view name;
    std::string_view argument;
    std::string_view help;
    void (*run)(ChatState&, const std::string& argument);  // null: leaves
};

constexpr ChatCommand kChatCommands[] = {
    {"/help", "", "show this list", help},
    {"/clear", "", "forget the conversation, keep the system message", clear},
    {"/system", "[TEXT]", "set the system message, - for none; show it", set_system},
    {"/think", "[on|off|hide]", "let the model think first, or hide its thoughts", set_think},
    {"/save", "FILE", "write the conversation to a file", save},
    {"/load", "FILE", "go on with a conversation from a file", load},
    {"/stats", "", "tokens and speed of the last answer", stats},
    {"/quit", "", "leave, as Ctrl-D does", nullptr},
};

void help(ChatState&, const std::string&) {
    std::string out;
    for (const ChatCommand& command : kChatCommands) {
        out += fmt::format("  {:<22}{}\n", fmt::format("{} {}", command.name, command.argument),
                           command.help);
    }
    say(out +
        "  Alt-Enter, or \\ at the end of a line, starts a new line; Ctrl-C stops an answer, twice "
        "leaves.");
}

}  // namespace

CommandOutcome run_chat_command(ChatState& state, const std::string& line) {
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz";
    if (!line.starts_with('/')) return CommandOutcome::kNoCommand;
    const size_t end = std::min(line.find_first_not_of(kLetters, 1), line.size());
    const bool is_word = end > 1 && (end == line.size() || line[end] == ' ' || line[end] == '\n');
    if (!is_word) return CommandOutcome::kNoCommand;
    const std::string name = line.substr(0, end);
    const size_t first = line.find_first_not_of(" \n", end);
    std::string argument = first == std::string::npos ? "" : line.substr(first);
    while (argument.ends_with(' ') || argument.ends_with('\n')) argument.pop_back();
    for (const ChatCommand& command : kChatCommands) {
        if (command.name != name) continue;
        if (command.run == nullptr) return CommandOutcome::kQuit;
        command.run(state, argument);
        return CommandOutcome::kDone;
    }
    say(fmt::format(
        "There is no command {}; /help lists them. A space before it makes it a message.", name));
    return CommandOutcome::kDone;
}

}  // namespace facet::app
