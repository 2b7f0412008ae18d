// The commands of a chat: /help, /clear, /system, /think, /save, /load, /stats, /quit.
//
// Owns their parsing and effect on the state; their output goes to stderr.
#pragma once

#include <optional>
#include <string>

#include "conversation.h"
#include "facet/facet.h"

namespace facet::app {

struct ChatState {
    Conversation conversation;
    bool show_thoughts = true;
    std::optional<facet_usage> usage;    // of the last answer
    const facet_model* model = nullptr;  // checks what /load reads; null: unchecked
};

enum class CommandOutcome { kNoCommand, kDone, kQuit };

// A line is a command if it starts with a slash and a word of letters, so that "/etc/hosts" is a
// message.
CommandOutcome run_chat_command(ChatState& state, const std::string& line);

}  // namespace facet::app
