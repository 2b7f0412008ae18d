// `facet render`: a chat request to the prompt the model sees. The batch form is in docs/cli.md.
#include "api.h"
#include "commands.h"
#include "console.h"
#include "conversation.h"
#include "jsonl.h"
#include "model_file.h"
#include "options.h"
#include "text_input.h"

namespace facet::app {

namespace {

Result<Json> render(const facet_model* model, const Json& request) {
    const std::string text = request.dump();
    return Json::parse(
        FACET_TRY(api_text([&](char** out) { return facet_render(model, text.c_str(), out); })));
}

// Here, unlike in the library, `exact` defaults to true: the batch form is for comparing with the
// official template.
Result<std::string> answer_batch(const facet_model* model, Json request) {
    const Json* given = request.find("options");
    Json options = given == nullptr || given->is_null() ? Json::object() : *given;
    if (!options.is_object()) return invalid_input("\"options\" must be an object");
    if (options.find("exact") == nullptr) options.set("exact", Json::of(true));
    request.set("options", std::move(options));
    Json answer = FACET_TRY(render(model, request));
    std::erase_if(answer.members,
                  [](const auto& member) { return member.first == "opens_thought"; });
    return answer.dump();
}

}  // namespace

int run_render(int argc, char** argv) {
    OptionParser parser("render [options] [PROMPT... | < FILE]",
                        "Shows the prompt that a chat request becomes, special tokens included.",
                        "  facet render \"What is 7 plus 5?\"\n"
                        "  facet render --system \"Be brief.\" --think --json \"Hi\"\n"
                        "  facet render --batch < requests.jsonl\n");
    ModelOptions model_options;
    Conversation conversation;
    std::string file;
    bool json = false;
    bool batch = false;
    bool think = false;
    bool exact = false;
    parser.group("Options");
    add_model_file_option(parser, model_options);
    parser.text("-f,--file", "FILE", "read the prompt (or the batch) from a file", file);
    parser.text("--system", "TEXT", "the system message", conversation.system);
    parser.flag("--think", "let the model think", think);
    parser.flag("--exact", "the official template byte for byte", exact);
    parser.flag("--json", "print a JSON object with text and ids", json);
    parser.flag("--batch", "a JSON request a line, an answer a line", batch);
    if (const auto code = parser.parse(argc, argv)) return *code;
    if (batch && !parser.words().empty()) return parser.wrong_use("--batch takes no PROMPT");

    const auto model = open_model(model_options, ModelUse::kTextOnly);
    if (!model.ok()) return fail(model.error());
    if (batch) {
        const auto input = InputFile::open(file);
        if (!input.ok()) return fail(input.error());
        return run_jsonl(input.value().fd(), [&](const Json& request) {
            return answer_batch(model.value().get(), request);
        });
    }
    const auto prompt = read_input(parser.words(), file);
    if (!prompt.ok()) return fail(prompt.error());
    conversation.thinking = think ? Thinking::kOn : Thinking::kDefault;
    conversation.add_user(prompt.value());
    Json request = conversation.request();
    Json options = *request.find("options");
    request.set("options", options.set("exact", Json::of(exact)));
    const auto answer = render(model.value().get(), request);
    if (!answer.ok()) return fail(answer.error());
    const Json* rendered = answer.value().find("rendered");
    write_stdout((json || rendered == nullptr ? answer.value().dump() : rendered->text) + "\n");
    return kExitOk;
}

}  // namespace facet::app
