// What an assistant's message says, in a form that two spellings of the same message share: the
// model's own, and what a client makes of it when it sends the message back.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace facet {

struct AssistantMessage {
    std::string reasoning;  // without whitespace at its ends; empty if the client dropped it
    std::string content;    // without whitespace at its ends
    std::vector<std::pair<std::string, std::string>> calls;  // name, canonical arguments

    // From a message of a request, whose shape has been checked (chat_template.h).
    static AssistantMessage from_json(const Json& message);
    void add_call(const std::string& name, const Json& arguments);
};

// A call's arguments as an object. Clients send JSON text; text that is no object must not make the
// whole conversation unusable, so it becomes the one argument "arguments". Null: no arguments.
Json arguments_object(const Json* arguments);

// One text for all spellings of a value: keys sorted, numbers of one value alike (2.0 and 2).
std::string canonical_json(const Json& value);

}  // namespace facet
