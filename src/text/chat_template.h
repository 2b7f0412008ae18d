// Conversations to prompts: the official Gemma 4 templates (`large` and `small`, dated 2026-07-09)
// as code.
//
// The result is a list of pieces, special ids and plain text, never one string that is scanned for
// specials: text of users, tools and schemas can not become a special token. Source: gemma4-chat
// chapter 2.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "text/tokenizer.h"

namespace facet {

struct ChatOptions {
    enum class Template { kLarge, kSmall };
    Template variant = Template::kLarge;
    bool add_generation_prompt = true;
    bool enable_thinking = false;
    bool preserve_thinking = false;
    // true: the official template byte for byte. false: the serving form, which repairs its quirks
    // (2.5, 2.8).
    bool exact = false;
};

// Where the model's own words stand in a rendered chat: the pieces [begin, end) are the thought,
// calls and text of an assistant's message.
struct RenderedReply {
    const Json* message = nullptr;  // of the request
    size_t begin = 0, end = 0;
    bool keeps_thought = false;  // the template prints its thought
};

struct RenderedChat {
    std::vector<Piece> pieces;
    std::vector<RenderedReply> replies;  // in order; text that stands behind results is in none
    int media_count = 0;                 // placeholders of pictures, sound and video
    bool opens_thought =
        false;  // the prompt ends in a half-open thought: parsing starts in the reasoning state
};

// Reads the "options" object of a request over `defaults`. Errors: a member of the wrong type, an
// unknown template.
Result<ChatOptions> chat_options_from_json(const Json* options, const ChatOptions& defaults);

// Renders OpenAI-style messages and tools (null or a JSON null: no tools).
// Errors: messages no array, a message without a known role, content of an unknown shape; each
// names the message.
Result<RenderedChat> render_chat(const Json& messages, const Json* tools,
                                 const ChatOptions& options, const Vocabulary& vocabulary);

// The pieces as one string, special tokens printed as their text.
std::string rendered_text(const std::vector<Piece>& pieces, const Vocabulary& vocabulary);

}  // namespace facet
