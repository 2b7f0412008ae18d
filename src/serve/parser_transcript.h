// For tests and the fuzz target: what the parser makes of bytes, as text that can be compared.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "serve/request_parser.h"

namespace facet::serve {

// A line for each request, and one for the state in which the parser waits for more.
inline std::string parser_transcript(const std::vector<std::string_view>& pieces,
                                     const HttpLimits& limits) {
    using State = RequestParser::State;
    RequestParser parser(limits);
    std::string out;
    for (const std::string_view piece : pieces) {
        if (parser.state() == State::kFailed) break;
        parser.feed(piece);
        for (bool goes_on = true; goes_on;) {
            const State state = parser.advance();
            goes_on = state == State::kHeadDone || state == State::kComplete;
            if (state != State::kComplete) continue;
            const Request request = parser.take_request();
            out += request.method + " " + request.path + " ?" + request.query;
            for (const auto& [name, value] : request.headers.all()) {
                out += " " + name + "=" + value;
            }
            out += " [" + request.body + "]\n";
            parser.next();
        }
    }
    switch (parser.state()) {
        case State::kFailed: return out + "error " + std::to_string(parser.error().status) + "\n";
        case State::kBody: return out + "body\n";
        default: return out + "head\n";
    }
}

}  // namespace facet::serve
