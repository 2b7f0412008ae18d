// A conversation as the requests to the library need it: the system text, the turns, the thinking
// switch.
//
// Owns the JSON form (OpenAI's messages) and its file. Knows no model and no terminal.
#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"

namespace facet::app {

enum class Thinking { kDefault, kOn, kOff };

struct Conversation {
    std::string system;             // empty: none
    Json messages = Json::array();  // without the system message
    Json tools = Json::null();
    Thinking thinking = Thinking::kDefault;

    void add_user(std::string_view text);
    // Thoughts are kept as reasoning_content; the template decides what of them the model sees
    // again.
    void add_assistant(std::string_view content, std::string_view reasoning);
    void drop_last();

    // {"messages", "tools", "options"}, as facet_session_chat and facet_render take it.
    Json request() const;

    // {"messages": [..]}, the system message first. Saving is atomic.
    Status save(const std::string& path) const;
    // Replaces system and messages. Errors: unreadable, not of that form; then nothing changes.
    Status load(const std::string& path);

  private:
    Json all_messages() const;
};

// The tool list of a file; null for an empty path. Errors: unreadable, not a JSON array.
Result<Json> read_tools(const std::string& path);

}  // namespace facet::app
