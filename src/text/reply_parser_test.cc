// The cases give raw output and what it means (tests/data/README.md); they are fed token by token,
// in several tokenizations, with the real vocabulary and the demo's.
#include "text/reply_parser.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "base/utf8.h"
#include "text/python_text.h"
#include "text/template_values.h"
#include "text/testing.h"

namespace facet {
namespace {

using test::demo_tokenizer;
using test::demo_vocabulary;
using test::real_tokenizer;

struct Reply {
    std::string thought;
    std::string content;
    std::vector<ToolCall> calls;
    bool retracted = false;
    bool repaired = false;
    bool malformed = false;
    FinishReason finish_reason = FinishReason::kStop;
};

void add(Reply& reply, const std::vector<ReplyEvent>& events) {
    for (const ReplyEvent& event : events) {
        switch (event.kind) {
            case ReplyEvent::Kind::kThought: reply.thought += event.text; break;
            case ReplyEvent::Kind::kText: reply.content += event.text; break;
            case ReplyEvent::Kind::kToolCall: reply.calls.push_back(event.call); break;
            case ReplyEvent::Kind::kThoughtRetracted:
                reply.thought.clear();
                reply.retracted = true;
                break;
        }
    }
}

struct Request {
    bool prompt_opened_thought = false;
    EndedBy ended_by = EndedBy::kStop;
    const Json* tools = nullptr;
};

Reply parse_ids(const Vocabulary& vocabulary, const std::vector<int32_t>& ids,
                const Request& request = {}) {
    ReplyParser parser(vocabulary, request.tools, request.prompt_opened_thought);
    Reply reply;
    for (const int32_t id : ids) {
        add(reply, parser.push(id));
        // What is sent can not be taken back: never trailing whitespace of an answer.
        EXPECT_EQ(strip_end(reply.content), reply.content);
    }
    add(reply, parser.finish(request.ended_by));
    EXPECT_TRUE(parser.done());
    EXPECT_TRUE(parser.finish(request.ended_by).empty());
    reply.repaired = parser.repaired();
    reply.malformed = parser.malformed();
    reply.finish_reason = parser.finish_reason();
    return reply;
}

Reply parse(const std::string& raw, const Request& request = {}) {
    return parse_ids(demo_vocabulary(), demo_tokenizer().encode(raw, true), request);
}

// One line that holds all of a reply.
std::string summary(const Reply& reply) {
    Json calls = Json::array();
    for (const ToolCall& call : reply.calls) {
        calls.push(
            Json::object().set("name", Json::of(call.name)).set("arguments", call.arguments));
    }
    return Json::object()
        .set("reasoning", Json::of(reply.thought))
        .set("content", Json::of(reply.content))
        .set("tool_calls", calls)
        .set("repaired", Json::of(reply.repaired))
        .set("malformed", Json::of(reply.malformed))
        .set("finish_reason", Json::of(finish_reason_name(reply.finish_reason)))
        .dump();
}

// Other tokens for the same text: every special stays, every other token is written in smaller
// ones.
std::vector<int32_t> respelled(
    const Tokenizer& tokenizer, const std::vector<int32_t>& ids,
    const std::function<void(std::string_view, std::vector<int32_t>&)>& spell) {
    std::vector<int32_t> out;
    for (const int32_t id : ids) {
        if (tokenizer.vocabulary().special_of(id) >= 0) {
            out.push_back(id);
        } else if (tokenizer.vocabulary().byte_of(id) >= 0) {
            out.push_back(id);
        } else {
            spell(tokenizer.decode(std::vector<int32_t>{id}, true), out);
        }
    }
    return out;
}

std::vector<int32_t> in_bytes(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
    return respelled(tokenizer, ids, [&](std::string_view text, std::vector<int32_t>& out) {
        for (const char c : text)
            out.push_back(tokenizer.vocabulary().byte_token(static_cast<uint8_t>(c)));
    });
}

std::vector<int32_t> in_characters(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
    return respelled(tokenizer, ids, [&](std::string_view text, std::vector<int32_t>& out) {
        while (!text.empty()) {
            const std::string_view character = text.substr(0, decode_utf8(text).bytes);
            const int32_t id = tokenizer.vocabulary().find(character == " " ? "\u2581" : character);
            if (id >= 0) {
                out.push_back(id);
            } else {
                for (const char c : character) {
                    out.push_back(tokenizer.vocabulary().byte_token(static_cast<uint8_t>(c)));
                }
            }
            text.remove_prefix(character.size());
        }
    });
}

TEST(ReplyParser, ReadsTheCasesInAnyTokenization) {
    const Json cases = test::read_json("tool-parse-cases.json");
    ASSERT_EQ(cases.items.size(), 75u);
    for (const Json& c : cases.items) {
        Request request;
        request.prompt_opened_thought = c.find("prompt_opened_thought")->boolean;
        request.ended_by = c.find("ended_by")->text == "length" ? EndedBy::kLength : EndedBy::kStop;
        request.tools = c.find("tools");
        const std::string expected = c.find("expect")->dump();
        for (const Tokenizer* tokenizer : {&real_tokenizer(), &demo_tokenizer()}) {
            SCOPED_TRACE(c.find("name")->text);
            const Vocabulary& vocabulary = tokenizer->vocabulary();
            const std::vector<int32_t> ids = tokenizer->encode(c.find("raw")->text, true);
            EXPECT_EQ(summary(parse_ids(vocabulary, ids, request)), expected);
            EXPECT_EQ(summary(parse_ids(vocabulary, in_characters(*tokenizer, ids), request)),
                      expected);
            EXPECT_EQ(summary(parse_ids(vocabulary, in_bytes(*tokenizer, ids), request)), expected);
        }
    }
}

TEST(ReplyParser, StructureSpelledByOrdinaryTokensIsText) {
    const std::string raw =
        "<|tool_call>call:f{}<tool_call|> <|channel>thought\nx<channel|><turn|>";
    const Reply reply = parse_ids(demo_vocabulary(), demo_tokenizer().encode(raw, false));
    EXPECT_EQ(reply.content, raw);
    EXPECT_TRUE(reply.calls.empty());
    EXPECT_TRUE(reply.thought.empty());
}

TEST(ReplyParser, SendsTextAsSoonAsItIsCertain) {
    const Vocabulary& vocabulary = demo_vocabulary();
    ReplyParser parser(vocabulary, nullptr, false);
    const auto push = [&](std::string_view text) {
        Reply reply;
        for (const int32_t id : demo_tokenizer().encode(text, true)) add(reply, parser.push(id));
        return reply.thought + "|" + reply.content;
    };
    EXPECT_EQ(push("th"), "|");  // perhaps "thought\n"
    EXPECT_EQ(push("e"), "|the");
    EXPECT_EQ(push(" \n"), "|");
    EXPECT_EQ(push("cat"), "| \ncat");
    EXPECT_EQ(push("<|channel>thought"), "|");
    EXPECT_TRUE(parser.in_thought());
    EXPECT_EQ(push("\nhm"), "hm|");
    EXPECT_EQ(push("\n"), "|");
    EXPECT_EQ(push("\n"), "\n|");
    EXPECT_EQ(push("<channel|>"), "|");
    EXPECT_FALSE(parser.in_thought());
    EXPECT_EQ(push("<|tool_call>call:f{}"), "|");
    EXPECT_TRUE(parser.in_call());
    EXPECT_FALSE(parser.done());
    EXPECT_EQ(push("<turn|>"), "|");
    EXPECT_TRUE(parser.done());
    EXPECT_EQ(push("more<|tool_call>"), "|");
    EXPECT_EQ(parser.finish(EndedBy::kLength).size(), 1u);  // the call
    EXPECT_EQ(parser.finish_reason(), FinishReason::kToolCalls);
}

TEST(ReplyParser, RetractsAThoughtThatWasTheAnswer) {
    Request request;
    request.prompt_opened_thought = true;
    Reply reply = parse("It is 7.\n\nReally.\n", request);
    EXPECT_TRUE(reply.retracted);
    EXPECT_EQ(reply.thought, "");
    EXPECT_EQ(reply.content, "It is 7.\n\nReally.");

    reply = parse("", request);
    EXPECT_FALSE(reply.retracted);
    // The model opened the thought itself, after all.
    reply = parse("<|channel>thought\nIt is 7.", request);
    EXPECT_FALSE(reply.retracted);
    EXPECT_EQ(reply.thought, "It is 7.");
    // It produced something else.
    reply = parse("Let me see <|tool_call>call:f{}<tool_call|>", request);
    EXPECT_FALSE(reply.retracted);
    EXPECT_EQ(reply.thought, "Let me see ");
    EXPECT_EQ(reply.calls.size(), 1u);
    // An end token is a natural stop, even as the last token allowed.
    request.ended_by = EndedBy::kLength;
    EXPECT_TRUE(parse("It is 7.<turn|>", request).retracted);
    EXPECT_FALSE(parse("It is 7.", request).retracted);
}

TEST(ReplyParser, RemovesTheLabelOfAThought) {
    EXPECT_EQ(parse("<|channel>thought<channel|>x").thought, "");
    EXPECT_EQ(parse("<|channel>thought x<channel|>y").thought, " x");
    EXPECT_EQ(parse("<|channel>plan\nx<channel|>y").thought, "plan\nx");
    EXPECT_EQ(parse("<|channel>thou<channel|>y").thought, "thou");
    EXPECT_EQ(parse("<|channel>thou<|channel>thought\nx<channel|>y").thought, "thou\nx");
    EXPECT_EQ(parse("<|channel>thou").thought, "thou");
    EXPECT_EQ(parse("<|channel>thought\n\nx\n\n<channel|>y").thought, "\nx\n");
    EXPECT_EQ(parse("thought<|channel>thought\nx<channel|>").content, "thought");
    EXPECT_EQ(parse("thoug").content, "thoug");
}

TEST(ReplyParser, TrimsContentAtItsEnds) {
    EXPECT_EQ(parse("\n a \u3000\n").content, "\n a");
    EXPECT_EQ(parse(" <|channel>thought\nx<channel|>\n\n a").content, "a");
    EXPECT_EQ(parse("<|tool_call>call:f{}<tool_call|>\n a").content, "a");
    EXPECT_EQ(parse("a \n<|tool_call>call:f{}<tool_call|> b").content, "a \n b");
    EXPECT_EQ(parse(" \n").content, "");
    EXPECT_EQ(parse("<tool_call|> a <tool_response|><|think|>b<mask>").content, " a b");
}

TEST(ReplyParser, EndTokensEndTheReplyEverywhere) {
    for (const char* end : {"<eos>", "<turn|>", "<|tool_response>", "<|turn>"}) {
        EXPECT_EQ(parse(std::string("a") + end + "b").content, "a") << end;
        EXPECT_EQ(parse(std::string("<|channel>thought\na") + end + "b<channel|>c").thought, "a")
            << end;
        const Reply reply = parse(std::string("<|tool_call>call:f{a:<|\"|>x<|\"|>}") + end + "}");
        ASSERT_EQ(reply.calls.size(), 1u) << end;
        EXPECT_FALSE(reply.repaired);
    }
}

TEST(ReplyParser, ABodyThatIsNoCallBecomesContent) {
    Reply reply = parse("Look: <|tool_call>call:f{a:<|\"|>x<tool_call|> done");
    EXPECT_EQ(reply.calls.size(), 1u);  // closed: the missing delimiter is repaired
    reply = parse("Look: <|tool_call>call:f{a:<|\"|>x<|tool_call>call:g{}<tool_call|> done");
    EXPECT_EQ(reply.content, "Look: call:f{a:<|\"|>x done");
    ASSERT_EQ(reply.calls.size(), 1u);
    EXPECT_EQ(reply.calls[0].name, "g");
    EXPECT_TRUE(reply.malformed);
    EXPECT_EQ(reply.finish_reason, FinishReason::kToolCalls);
    // Nothing to return, but not silently.
    reply = parse("<|tool_call><tool_call|>");
    EXPECT_TRUE(reply.malformed);
    EXPECT_EQ(reply.content, "");
}

TEST(ReplyParser, AStringHoldsAnyTokenButItsDelimiter) {
    const Reply reply = parse(
        "<|tool_call>call:f{a:<|\"|>x<|channel>y<tool_response|><|\"|><channel|>}<tool_call|>");
    ASSERT_EQ(reply.calls.size(), 1u);
    EXPECT_EQ(reply.calls[0].arguments.find("a")->text, "x<|channel>y<tool_response|>");
    EXPECT_FALSE(reply.repaired);
}

TEST(ReplyParser, ACutCallIsDroppedAndACompleteOneKept) {
    Request request;
    request.ended_by = EndedBy::kLength;
    Reply reply = parse("a <|tool_call>call:f{a:<|\"|>x<|\"|>", request);
    EXPECT_EQ(reply.content, "a");
    EXPECT_TRUE(reply.calls.empty());
    EXPECT_FALSE(reply.malformed);
    EXPECT_EQ(reply.finish_reason, FinishReason::kLength);
    reply = parse("a <|tool_call>call:f{a:<|\"|>x<|\"|>}", request);
    EXPECT_EQ(reply.calls.size(), 1u);
    EXPECT_EQ(reply.finish_reason, FinishReason::kLength);
}

TEST(ReplyParser, ABrokenCharacterBeforeStructureIsFlushed) {
    const Vocabulary& vocabulary = demo_vocabulary();
    const std::vector<int32_t> ids = {vocabulary.byte_token(0xe3), vocabulary.byte_token(0x81),
                                      vocabulary.id_of(Special::kChannelBegin),
                                      vocabulary.byte_token('x'), vocabulary.byte_token(0xe3)};
    const Reply reply = parse_ids(vocabulary, ids);
    EXPECT_EQ(reply.content, "\uFFFD\uFFFD");
    EXPECT_EQ(reply.thought, "x\uFFFD");
}

// --- What the template prints, the parser reads ---

class RandomJson {
  public:
    explicit RandomJson(uint32_t seed) : random_(seed) {}

    size_t pick(size_t count) { return random_() % count; }

    Json object(int depth) {
        Json json = Json::object();
        for (size_t count = pick(5); count > 0; --count) json.set(key(), value(depth));
        return json;
    }

    std::string text() {
        static const std::vector<std::string> parts = {
            "a",        "Oslo", " ",    "\n",     "{",
            "}",        "[",    "]",    ",",      ":",
            "\"",       "'",    "\\",   "<|\"|>", "<tool_call|>",
            "call:f{}", "é",    "日本", "🌧",   "<|tool_call>",
            "null",     "12",   "\t",   "=",      "(",
            ")",        "~"};
        std::string out;
        for (size_t count = pick(6); count > 0; --count) out += parts[pick(parts.size())];
        return out;
    }

  private:
    std::string key() {
        static const std::vector<std::string> keys = {"a",    "B",    "city",      "path.to", "a-b",
                                                      "_x",   "$ref", "two words", "Ärger",   "a=b",
                                                      "call", "x1",   "(p)",       "a\"b"};
        return keys[pick(keys.size())];
    }

    Json value(int depth) {
        static const std::vector<std::string> numbers = {
            "0", "-7", "12345678901234567890123", "2.0", "0.1", "1e-07", "-1.5e+22", "-0.0"};
        switch (pick(depth < 4 ? 7 : 5)) {
            case 0: return Json::null();
            case 1: return Json::of(pick(2) == 0);
            case 2: return Json::number(numbers[pick(numbers.size())]);
            case 5: return object(depth + 1);
            case 6: {
                Json list = Json::array();
                for (size_t count = pick(4); count > 0; --count) list.push(value(depth + 1));
                return list;
            }
            default: return Json::of(text());
        }
    }

    std::mt19937 random_;
};

Json with_sorted_keys(const Json& json) {
    Json sorted = json;
    if (json.is_object()) {
        sorted.members.clear();
        for (const JsonMember* member : sorted_members(json)) {
            sorted.members.emplace_back(member->first, with_sorted_keys(member->second));
        }
    }
    for (Json& item : sorted.items) item = with_sorted_keys(item);
    return sorted;
}

TEST(ReplyParser, ReadsBackWhatTheTemplatePrints) {
    RandomJson random(11);
    for (int round = 0; round < 3000; ++round) {
        const Json arguments = random.object(0);
        PieceWriter out(demo_vocabulary());
        out.special(Special::kToolCallBegin);
        out.text("call:fs.read-file");
        write_value(out, arguments, KeyForm::kBare);
        out.special(Special::kToolCallEnd);
        out.special(Special::kToolResponseBegin);
        const Reply reply = parse_ids(demo_vocabulary(), demo_tokenizer().encode(out.take()));
        ASSERT_EQ(reply.calls.size(), 1u) << arguments.dump();
        ASSERT_EQ(reply.calls[0].arguments.dump(), with_sorted_keys(arguments).dump());
        ASSERT_EQ(reply.calls[0].name, "fs.read-file");
        ASSERT_FALSE(reply.repaired);
        ASSERT_FALSE(reply.malformed);
        ASSERT_EQ(reply.content, "");
    }
}

// A body of any text: calls, or the text as content; never neither.
TEST(ReplyParser, AMalformedBodyIsNeverLost) {
    RandomJson random(12);
    size_t malformed = 0;
    for (int round = 0; round < 5000; ++round) {
        PieceWriter out(demo_vocabulary());
        out.special(Special::kToolCallBegin);
        if (random.pick(2) == 0) out.text("call:f{a:");
        std::string printed = random.text();
        out.text(printed);
        if (random.pick(2) == 0) {
            out.quoted("x");
            printed += "x";
        }
        out.special(random.pick(2) == 0 ? Special::kToolCallEnd : Special::kEos);
        const Reply reply = parse_ids(demo_vocabulary(), demo_tokenizer().encode(out.take()));
        ASSERT_NE(reply.calls.empty(), !reply.malformed);
        if (!reply.malformed) continue;
        ++malformed;
        std::string content = reply.content;
        for (size_t at; (at = content.find("<|\"|>")) != std::string::npos;) content.erase(at, 5);
        for (size_t at; (at = printed.find("<|\"|>")) != std::string::npos;) printed.erase(at, 5);
        ASSERT_TRUE(strip(content).ends_with(strip(printed))) << content;
    }
    EXPECT_GT(malformed, 500u);
}

// Any tokens at all: no crash, one end, calls with objects, and the promises about what was sent
// (in parse_ids).
TEST(ReplyParser, SurvivesRandomTokens) {
    const Vocabulary& vocabulary = demo_vocabulary();
    std::mt19937 random(13);
    std::vector<Special> specials;
    for (size_t i = 0; i < kSpecialCount; ++i) {
        if (vocabulary.id_of(static_cast<Special>(i)) >= 0)
            specials.push_back(static_cast<Special>(i));
    }
    const std::vector<int32_t> common =
        demo_tokenizer().encode("call:f{a:1,\"b\":[x]}()='~thought\n \n é", false);
    for (int round = 0; round < 20000; ++round) {
        std::vector<int32_t> ids;
        for (size_t count = random() % 40; count > 0; --count) {
            switch (random() % 4) {
                case 0:
                    ids.push_back(vocabulary.id_of(specials[random() % specials.size()]));
                    break;
                case 1:
                    ids.push_back(
                        static_cast<int32_t>(random() % static_cast<uint32_t>(vocabulary.size())));
                    break;
                default: ids.push_back(common[random() % common.size()]); break;
            }
        }
        Request request;
        request.prompt_opened_thought = random() % 2 == 0;
        request.ended_by = random() % 2 == 0 ? EndedBy::kLength : EndedBy::kStop;
        const Reply reply = parse_ids(vocabulary, ids, request);
        for (const ToolCall& call : reply.calls) ASSERT_TRUE(call.arguments.is_object());
        ASSERT_EQ(reply.finish_reason == FinishReason::kToolCalls,
                  !reply.calls.empty() && reply.finish_reason != FinishReason::kLength);
    }
}

TEST(ReplyParser, ALongReplyOfWhitespaceOrQuotesTakesLinearTime) {
    for (const char* unit :
         {" ", "\n", "\"", "<|\"|>", "<|tool_call>", "<|channel>", "<|channel>\n", "[", "}"}) {
        std::vector<int32_t> unit_ids = demo_tokenizer().encode(unit, true);
        for (const bool in_call : {false, true}) {
            ReplyParser parser(demo_vocabulary(), nullptr, false);
            if (in_call) parser.push(demo_vocabulary().id_of(Special::kToolCallBegin));
            for (int i = 0; i < 500000; ++i) {
                for (const int32_t id : unit_ids) parser.push(id);
            }
            parser.finish(EndedBy::kStop);
            EXPECT_TRUE(parser.done());
        }
    }
}

}  // namespace
}  // namespace facet
