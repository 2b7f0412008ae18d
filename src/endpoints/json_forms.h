// Pieces of JSON that several protocols write in the same way.
#pragma once

#include <string_view>

#include "base/json.h"

namespace facet::endpoints {

Json one_member(const char* name, Json value);
// {"type": ..}, to be gone on with.
Json typed(std::string_view type);
// A message of a chat.
Json chat_message(std::string_view role, Json content);
// A tool, or the choice of one: {"type": "function", "function": {..}}.
Json function_entry(Json function);
// A call of a tool, as a message of a chat has it. arguments: an object, or its text.
Json function_call(Json id, Json name, Json arguments);

}  // namespace facet::endpoints
