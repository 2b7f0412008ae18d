// `facet parse`: a model's raw output to answer, thought and tool calls. The batch form is in
// docs/cli.md.
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

Result<std::string> parse_reply(const facet_model* model, const Json& request) {
    const std::string text = request.dump();
    return api_text([&](char** out) { return facet_parse(model, text.c_str(), out); });
}

}  // namespace

int run_parse(int argc, char** argv) {
    OptionParser parser(
        "parse [options] [RAW... | < FILE]",
        "Shows what a model's raw output means: answer, thought, tool calls. Prints JSON.",
        "  facet parse '<|channel>thought\n  7 + 5<channel|>12<turn|>'\n"
        "  facet parse -f raw.txt --tools tools.json\n"
        "  facet parse --batch < requests.jsonl\n");
    ModelOptions model_options;
    std::string file;
    std::string tools;
    bool opened = false;
    bool cut = false;
    bool batch = false;
    bool json = false;
    parser.group("Options");
    add_model_file_option(parser, model_options);
    parser.text("-f,--file", "FILE", "read the output (or the batch) from a file", file);
    parser.text("--tools", "FILE", "the request's tools, a JSON list", tools);
    parser.flag("--opened-thought", "the prompt ended inside a thought", opened);
    parser.flag("--cut", "the output ended by a length limit", cut);
    parser.flag("--json", "print JSON (it always does)", json);
    parser.flag("--batch", "a JSON request a line, an answer a line", batch);
    if (const auto code = parser.parse(argc, argv)) return *code;
    if (batch && !parser.words().empty()) return parser.wrong_use("--batch takes no RAW text");

    const auto model = open_model(model_options, ModelUse::kTextOnly);
    if (!model.ok()) return fail(model.error());
    if (batch) {
        const auto input = InputFile::open(file);
        if (!input.ok()) return fail(input.error());
        return run_jsonl(input.value().fd(), [&](const Json& request) {
            return parse_reply(model.value().get(), request);
        });
    }
    const auto tool_list = read_tools(tools);
    if (!tool_list.ok()) return fail(tool_list.error());
    const auto raw = read_input(parser.words(), file);
    if (!raw.ok()) return fail(raw.error());
    const Json request = Json::object()
                             .set("raw", Json::of(raw.value()))
                             .set("prompt_opened_thought", Json::of(opened))
                             .set("ended_by", Json::of(cut ? "length" : "stop"))
                             .set("tools", tool_list.value());
    const auto answer = parse_reply(model.value().get(), request);
    if (!answer.ok()) return fail(answer.error());
    write_stdout(answer.value() + "\n");
    return kExitOk;
}

}  // namespace facet::app
