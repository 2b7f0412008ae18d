#include "engine/reply_memory.h"

#include <gtest/gtest.h>

#include "engine/engine.h"
#include "engine/plumbing.h"
#include "tests/edited_model.h"

namespace facet {
namespace {

constexpr char kTool[] =
    R"({"type": "function", "function": {"name": "read_file", "description": "Read a file.", "parameters":
        {"type": "object", "properties": {"path": {"type": "string", "description": "File name"}, "n": {"type": "number"}}, "required": ["path"]}}})";

class ReplyMemories : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        EngineOptions options;
        options.model.vocab_only = true;
        engine_ = Engine::open(kDemoModel, options).take();
    }
    static void TearDownTestSuite() { engine_.reset(); }

    static const LoadedModel& model() { return engine_->model(); }

    static ChatPrompt render(const std::string& messages, bool thinking,
                             const ReplyMemory* memory) {
        const std::string request = R"({"messages": )" + messages + R"(, "tools": [)" + kTool +
                                    R"(], "options": {"enable_thinking": )" +
                                    (thinking ? "true" : "false") + "}}";
        return render_request(model(), parse_request(request).take(), memory).take();
    }

    // The ids of raw output with special strings in it.
    static std::vector<int32_t> ids(const std::string& raw) {
        return model().tokenizer().take()->encode(raw, true);
    }

    static bool contains(const std::vector<int32_t>& all, const std::vector<int32_t>& part) {
        return std::search(all.begin(), all.end(), part.begin(), part.end()) != all.end();
    }

    static std::string call_message(const std::string& arguments, const std::string& more = "") {
        return R"({"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function",
            "function": {"name": "read_file", "arguments": )" +
               Json::of(arguments).dump() + "}}]" + more + "}";
    }

    static inline std::shared_ptr<Engine> engine_;
    const std::string user_ = R"({"role": "user", "content": "Read a.py"})";
    const std::string result_ = R"({"role": "tool", "tool_call_id": "c", "content": "x = 1"})";
    const std::string raw_ =
        "<|channel>thought\nI should read it. "
        "\n<channel|><|tool_call>call:read_file{path:<|\"|>a.py<|\"|>,n:2}<tool_call|>";
};

TEST_F(ReplyMemories, ADroppedThoughtAndOtherSpellingsComeBackAsTheyWereWritten) {
    ReplyMemory memory;
    const ChatPrompt first = render("[" + user_ + "]", true, &memory);
    AssistantMessage said;
    said.reasoning = "I should read it.";
    said.add_call("read_file", Json::parse(R"({"path": "a.py", "n": 2})").take());
    memory.remember(first.ids, ids(raw_), said);
    for (const char* arguments : {R"({"path":"a.py","n":2})", R"({ "n" : 2.0, "path": "a.py" })"}) {
        const ChatPrompt next = render(
            "[" + user_ + "," + call_message(arguments) + "," + result_ + "]", true, &memory);
        std::vector<int32_t> expected = first.ids;
        const std::vector<int32_t> reply = ids(raw_);
        expected.insert(expected.end(), reply.begin(), reply.end());
        ASSERT_GT(next.ids.size(), expected.size());
        EXPECT_TRUE(std::equal(expected.begin(), expected.end(), next.ids.begin())) << arguments;
    }
    // With its thought, which is what the template prints too.
    const ChatPrompt kept =
        render("[" + user_ + "," +
                   call_message(R"({"path":"a.py","n":2})",
                                R"(, "reasoning_content": "I should read it.")") +
                   "," + result_ + "]",
               true, &memory);
    EXPECT_TRUE(contains(kept.ids, ids(raw_)));
}

TEST_F(ReplyMemories, AMessageThatSaysSomethingElseIsRenderedAsItIs) {
    ReplyMemory memory;
    const ChatPrompt first = render("[" + user_ + "]", true, &memory);
    AssistantMessage said;
    said.reasoning = "I should read it.";
    said.add_call("read_file", Json::parse(R"({"path": "a.py", "n": 2})").take());
    memory.remember(first.ids, ids(raw_), said);
    const std::string other_user = R"({"role": "user", "content": "Read b.py"})";
    for (const std::string& messages :
         {"[" + user_ + "," + call_message(R"({"path":"b.py","n":2})") + "," + result_ + "]",
          "[" + other_user + "," + call_message(R"({"path":"a.py","n":2})") + "," + result_ + "]",
          "[" + user_ + "," +
              call_message(R"({"path":"a.py","n":2})", R"(, "reasoning_content": "Hm.")") + "," +
              result_ + "]"}) {
        const ChatPrompt plain = render(messages, true, nullptr);
        EXPECT_EQ(render(messages, true, &memory).ids, plain.ids) << messages;
    }
}

TEST_F(ReplyMemories, ThoughtsOfEarlierTurnsStayDropped) {
    ReplyMemory memory;
    const ChatPrompt first = render("[" + user_ + "]", true, &memory);
    AssistantMessage said;
    said.reasoning = "I should read it.";
    said.add_call("read_file", Json::parse(R"({"path": "a.py", "n": 2})").take());
    memory.remember(first.ids, ids(raw_), said);
    const std::string messages = "[" + user_ + "," + call_message(R"({"path":"a.py","n":2})") +
                                 "," + result_ + R"(,{"role": "assistant", "content": "Done."}, )" +
                                 user_ + "]";
    EXPECT_EQ(render(messages, true, &memory).ids, render(messages, true, nullptr).ids);
}

TEST_F(ReplyMemories, TextThatEncodesOtherwiseComesBackAsItWasWritten) {
    ReplyMemory memory;
    const std::string messages = R"([{"role": "user", "content": "Hi"}])";
    const ChatPrompt first = render(messages, true, &memory);
    AssistantMessage said;
    said.content = "Hello there";
    // Letter by letter, as no tokenizer would.
    std::vector<int32_t> letters;
    for (const char letter : said.content) {
        const auto one = ids(std::string(1, letter));
        letters.insert(letters.end(), one.begin(), one.end());
    }
    memory.remember(first.ids, letters, said);
    const ChatPrompt next = render(
        R"([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": " Hello there\n"}, {"role": "user", "content": "Bye"}])",
        true, &memory);
    std::vector<int32_t> expected = first.ids;
    expected.insert(expected.end(), letters.begin(), letters.end());
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), next.ids.begin()));
}

TEST_F(ReplyMemories, OldRepliesAreForgotten) {
    ReplyMemory memory(100);
    const ChatPrompt first = render(R"([{"role": "user", "content": "Hi"}])", true, &memory);
    AssistantMessage said;
    said.content = "Hello";
    memory.remember(first.ids, {500, 501, 502}, said);
    const std::string messages =
        R"([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Bye"}])";
    EXPECT_TRUE(contains(render(messages, true, &memory).ids, {500, 501, 502}));
    for (int32_t i = 0; i < 10; ++i) memory.remember({&i, 1}, std::vector<int32_t>(20, 7), {});
    EXPECT_EQ(render(messages, true, &memory).ids, render(messages, true, nullptr).ids);
}

// The whole way: the demo thinks and calls, the client drops the thought and respells the call.
TEST(ReplyMemory, AToolLoopHitsItsPrefixAfterAClientDroppedTheThought) {
    const auto engine = Engine::open(kDemoModel, {}).take();
    const std::string tools = std::string(R"("tools": [)") + kTool + "]";
    const std::string user = R"({"role": "user", "content": "Please read the file index.py."})";
    const auto ask = [&](const std::string& messages, Usage& usage) {
        const Json json = parse_request(R"({"messages": [)" + messages + "], " + tools +
                                        R"(, "options": {"enable_thinking": true}})")
                              .take();
        ChatPrompt prompt = render_request(engine->model(), json, &engine->reply_memory()).take();
        ReplyRequest request;
        request.prompt = prompt.ids;
        request.opener = prompt.opener;
        request.format = {true, prompt.tools, prompt.opens_thought};
        request.options.sampling.temperature = 0;
        request.options.max_tokens = 200;
        std::shared_ptr<const ToolCall> call;
        std::string thought;
        EXPECT_TRUE(engine->scheduler()
                        .take()
                        ->reply(
                            std::move(request),
                            [&](const GenerationEvent& event) {
                                if (event.call) call = event.call;
                                if (event.kind == GenerationEvent::Kind::kThought)
                                    thought += event.text;
                                if (event.kind == GenerationEvent::Kind::kEnd) usage = event.usage;
                                return true;
                            },
                            nullptr)
                        .ok());
        EXPECT_FALSE(thought.empty()) << "the test wants a thought";
        return call;
    };
    Usage first, second;
    const auto call = ask(user, first);
    ASSERT_NE(call, nullptr) << "the test wants a call";
    const std::string arguments = "{ \"path\" :  " + call->arguments.find("path")->dump() + " }";
    const std::string messages =
        user +
        R"(, {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": ")" +
        call->name + R"(", "arguments": )" + Json::of(arguments).dump() +
        R"(}}]}, {"role": "tool", "tool_call_id": "c", "content": "x = 1"})";
    ask(messages, second);
    // All but the end token, which was never computed.
    EXPECT_GE(second.cached_tokens, first.prompt_tokens + first.completion_tokens - 1);
}

}  // namespace
}  // namespace facet
