// libFuzzer target: any tokens as a model's reply, with the demo model's vocabulary.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "base/utf8.h"
#include "format/gguf.h"
#include "text/python_text.h"
#include "text/reply_parser.h"

namespace {

const facet::Vocabulary& vocabulary() {
    static const facet::Vocabulary loaded = [] {
        auto file = facet::GgufFile::open(FACET_SOURCE_DIR "/models/facet-demo-Q8_0.gguf");
        FACET_CHECK(file.ok());
        auto result = facet::Vocabulary::from_gguf(file.value());
        FACET_CHECK(result.ok());
        return result.take();
    }();
    return loaded;
}

// A schema under which strings, numbers and lists of a call are read differently.
const facet::Json& tools() {
    static const facet::Json list = facet::Json::parse(R"([{"function":{"name":"f","parameters":{
        "properties":{"a":{"type":"string"},"b":{"type":"array","items":{"type":"boolean"}}}}}}])")
                                        .take();
    return list;
}

// Whether all strings are UTF-8: no quote mark of the parser is left in them.
bool is_text(const facet::Json& json) {
    if (facet::replace_invalid_utf8(json.text) != json.text) return false;
    return std::all_of(json.items.begin(), json.items.end(), is_text) &&
           std::all_of(json.members.begin(), json.members.end(), [](const auto& member) {
               return facet::replace_invalid_utf8(member.first) == member.first &&
                      is_text(member.second);
           });
}

// ASCII is itself, so that a corpus is readable; 0x80 to 0x97 are the special tokens, the rest
// begins any other token.
int32_t next_token(const uint8_t*& data, const uint8_t* end) {
    const uint8_t byte = *data++;
    if (byte < 0x80) return vocabulary().byte_token(byte);
    const size_t special = byte - 0x80u;
    if (special < facet::kSpecialCount) {
        // A media token that the vocabulary does without is any token.
        return std::max(0, vocabulary().id_of(static_cast<facet::Special>(special)));
    }
    const uint32_t high = data < end ? *data++ : 0u;
    return static_cast<int32_t>((high * 0x68u + byte - 0x98u) %
                                static_cast<uint32_t>(vocabulary().size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const uint8_t flags = *data;
    const uint8_t* at = data + 1;
    facet::ReplyParser parser(vocabulary(), (flags & 1) != 0 ? &tools() : nullptr,
                              (flags & 2) != 0);
    std::string content;
    size_t calls = 0;
    const auto check = [&](const std::vector<facet::ReplyEvent>& events) {
        for (const facet::ReplyEvent& event : events) {
            if (event.kind == facet::ReplyEvent::Kind::kText) content += event.text;
            if (event.kind != facet::ReplyEvent::Kind::kToolCall) continue;
            ++calls;
            FACET_CHECK(!event.call.name.empty());
            FACET_CHECK(event.call.arguments.is_object());
            FACET_CHECK(is_text(event.call.arguments));
        }
        FACET_CHECK(facet::strip_end(content) == content);
    };
    while (at < data + size) check(parser.push(next_token(at, data + size)));
    check(parser.finish((flags & 4) != 0 ? facet::EndedBy::kLength : facet::EndedBy::kStop));
    FACET_CHECK(parser.done());
    FACET_CHECK(parser.finish_reason() != facet::FinishReason::kToolCalls || calls > 0);
    FACET_CHECK(!parser.repaired() || calls > 0);
    return 0;
}
