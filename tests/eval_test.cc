// The demo model's answers, marked as golden/eval marks them: our Q8_0 answers must be about as
// often right as those of the reference implementation (F32), which are stored beside the prompts.
//
// `make test` runs every fourth text prompt; `make eval` (FACET_EVAL_ALL=1) runs all.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "base/json.h"
#include "base/mapped_file.h"
#include "facet/facet.h"
#include "tests/edited_model.h"

namespace facet {
namespace {

constexpr char kEvalFolder[] = FACET_SOURCE_DIR "/tests/golden/eval/";

Json read_json(const std::string& path) {
    auto text = read_text_file(path, 4 << 20);
    EXPECT_TRUE(text.ok());
    return Json::parse(text.value()).take();
}

struct Reply {
    std::string content;
    Json calls = Json::array();  // [{"name", "arguments"}]
};

std::string trimmed(const std::string& text) {
    const size_t first = text.find_first_not_of(" \n\t"), last = text.find_last_not_of(" \n\t");
    return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

// Equal as values: numbers by value, objects in any order.
bool same(const Json& a, const Json& b) {
    if (a.kind != b.kind) return false;
    if (a.is_number()) return a.to_double().take() == b.to_double().take();
    if (a.boolean != b.boolean || a.text != b.text) return false;
    if (a.items.size() != b.items.size() || a.members.size() != b.members.size()) return false;
    for (size_t i = 0; i < a.items.size(); ++i) {
        if (!same(a.items[i], b.items[i])) return false;
    }
    for (const auto& [key, value] : a.members) {
        const Json* other = b.find(key);
        if (other == nullptr || !same(value, *other)) return false;
    }
    return true;
}

bool is_right(const Reply& reply, const Json& expect) {
    const std::string type = expect.find("type")->text;
    const Json& value = *expect.find("value");
    const std::string content = trimmed(reply.content);
    if (type == "exact") return content == value.text;
    if (type == "contains") {
        for (const Json& part : value.items) {
            if (content.find(part.text) == std::string::npos) return false;
        }
        return true;
    }
    if (type == "json") {
        const Result<Json> json = Json::parse(content);
        return json.ok() && same(json.value(), value);
    }
    EXPECT_EQ(type, "calls");
    return same(reply.calls, value);
}

Json chat_request(const Json& prompt) {
    Json options = Json::object();
    options.set("enable_thinking", *prompt.find("enable_thinking"));
    Json request = Json::object();
    request.set("messages", *prompt.find("messages")).set("tools", *prompt.find("tools"));
    return request.set("options", std::move(options));
}

// The stored raw answer of the reference implementation, read by our parser.
Reply reference_reply(const facet_model* model, const std::string& raw, const Json& prompt) {
    char* text = nullptr;
    EXPECT_EQ(facet_render(model, chat_request(prompt).dump().c_str(), &text), FACET_OK)
        << facet_last_error();
    const Json rendered = Json::parse(text).take();
    facet_free(text);
    Json request = Json::object();
    request.set("raw", Json::of(raw)).set("tools", *prompt.find("tools"));
    request.set("prompt_opened_thought", *rendered.find("opens_thought"));
    EXPECT_EQ(facet_parse(model, request.dump().c_str(), &text), FACET_OK) << facet_last_error();
    const Json parsed = Json::parse(text).take();
    facet_free(text);
    return {parsed.find("content")->text, *parsed.find("tool_calls")};
}

int collect(const facet_event* event, void* user) {
    auto* reply = static_cast<Reply*>(user);
    if (event->kind == FACET_EVENT_TEXT) reply->content.append(event->text, event->text_bytes);
    if (event->kind == FACET_EVENT_TOOL_CALL) {
        const Json call = Json::parse({event->text, event->text_bytes}).take();
        Json kept = Json::object();
        kept.set("name", *call.find("name")).set("arguments", *call.find("arguments"));
        reply->calls.push(std::move(kept));
    }
    return 0;
}

Reply our_reply(facet_session* session, const Json& prompt) {
    facet_generation_options generation = facet_generation_options_default();
    generation.temperature = 0;
    generation.max_tokens = 200;
    Reply reply;
    EXPECT_EQ(facet_session_chat(session, chat_request(prompt).dump().c_str(), &generation, collect,
                                 &reply),
              FACET_OK)
        << facet_last_error();
    return reply;
}

TEST(Evaluation, AnswersAreAsOftenRightAsTheReferences) {
    const bool all = std::getenv("FACET_EVAL_ALL") != nullptr;
    facet_model* model = nullptr;
    ASSERT_EQ(facet_model_open(kDemoModel, nullptr, &model), FACET_OK) << facet_last_error();
    facet_session* session = nullptr;
    ASSERT_EQ(facet_session_create(model, nullptr, &session), FACET_OK) << facet_last_error();
    const Json prompts = read_json(std::string(kEvalFolder) + "eval.json");
    const Json answers = read_json(std::string(kEvalFolder) + "reference-answers.json");

    struct Score {
        int asked = 0, ours = 0, reference = 0;
    };
    std::map<std::string, Score> scores;
    Score total;
    int index = 0;
    for (const Json& prompt : prompts.items) {
        if (!prompt.find("images")->items.empty()) continue;  // pictures come later
        if (index++ % 4 != 0 && !all) continue;
        const Json& expect = *prompt.find("expect");
        const std::string& raw = answers.find(prompt.find("id")->text)->text;
        const int ours = is_right(our_reply(session, prompt), expect);
        const int reference = is_right(reference_reply(model, raw, prompt), expect);
        for (Score* score : {&total, &scores[prompt.find("category")->text]}) {
            ++score->asked;
            score->ours += ours;
            score->reference += reference;
        }
    }
    for (const auto& [category, score] : scores) {
        std::printf("%-8s ours %3d, reference %3d, of %3d\n", category.c_str(), score.ours,
                    score.reference, score.asked);
    }
    std::printf("%-8s ours %3d, reference %3d, of %3d\n", "all", total.ours, total.reference,
                total.asked);
    EXPECT_GE(total.asked, 90);
    // Two points of the whole set; a part of it is coarser.
    const double allowed = all ? 0.02 : 0.04;
    EXPECT_GE(total.ours, total.reference - allowed * total.asked);
    facet_session_destroy(session);
    facet_model_close(model);
}

}  // namespace
}  // namespace facet
