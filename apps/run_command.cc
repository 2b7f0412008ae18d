// `facet run`: one answer to a prompt, for scripts.
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api.h"
#include "commands.h"
#include "console.h"
#include "conversation.h"
#include "interrupt.h"
#include "model_file.h"
#include "options.h"
#include "reply.h"
#include "text_input.h"

namespace facet::app {

namespace {

struct RunOptions {
    ModelOptions model;
    SamplingOptions sampling;
    Conversation conversation;
    std::string file;
    std::string tools;
    bool think = false;
    bool no_think = false;
    bool raw = false;
    bool json = false;
};

// Something other than a terminal or a device such as /dev/null.
bool stdin_is_piped() {
    struct stat info = {};
    return fstat(kStdin, &info) == 0 &&
           (S_ISFIFO(info.st_mode) || S_ISREG(info.st_mode) || S_ISSOCK(info.st_mode));
}

// Reading stdin beside a prompt is the custom (cat report | facet run "Sum this up"), but a pipe
// that nobody closes would then look like a hang; so after a while the user is told.
void explain_waiting() {
    constexpr int kPatienceMs = 2000;
    pollfd input = {kStdin, POLLIN, 0};
    if (poll(&input, 1, kPatienceMs) == 0)
        note("waiting for text on stdin (< /dev/null if there is none)");
}

// The prompt: words, then the file or what is piped in, a blank line between them.
Result<std::string> read_prompt(const std::vector<std::string>& words, const RunOptions& options) {
    std::string more;
    if (words.empty() || !options.file.empty()) {
        more = FACET_TRY(read_input({}, options.file));
    } else if (stdin_is_piped()) {
        explain_waiting();
        more = FACET_TRY(read_all(kStdin, kInputBytesMax));
    }
    if (options.raw && words.empty()) return more;
    while (more.ends_with('\n') || more.ends_with('\r')) more.pop_back();
    std::string prompt = join_words(words);
    if (!prompt.empty() && !more.empty()) prompt += "\n\n";
    prompt += more;
    if (prompt.empty() && !options.raw) return invalid_input("the prompt is empty");
    return prompt;
}

Result<Reply> ask(const RunOptions& options, const facet_model* model, facet_session* session,
                  const std::string& prompt) {
    const facet_generation_options generation = options.sampling.view(model);
    const ReplyStyle style{
        .silent = options.json, .show_thoughts = options.think, .markdown = !options.raw};
    if (options.raw) {
        const auto ids = FACET_TRY(raw_prompt(model, prompt));
        return run_reply(style, [&](facet_event_fn on_event, void* user) {
            return facet_session_generate(session, ids.data(), ids.size(), &generation, on_event,
                                          user, nullptr, nullptr);
        });
    }
    const std::string request = options.conversation.request().dump();
    return run_reply(style, [&](facet_event_fn on_event, void* user) {
        return facet_session_chat(session, request.c_str(), &generation, on_event, user);
    });
}

// What is left to print once the answer's text is out (or all of it with --json).
int report(const Reply& reply, bool json) {
    if (json) {
        Json calls = Json::array();
        for (const std::string& call : reply.tool_calls) {
            auto parsed = Json::parse(call);
            if (parsed.ok()) calls.push(parsed.take());
        }
        write_stdout(Json::object()
                         .set("content", Json::of(reply.content))
                         .set("reasoning", Json::of(reply.reasoning))
                         .set("tool_calls", calls)
                         .set("finish_reason", Json::of(finish_name(reply.finish)))
                         .set("usage", usage_json(reply.usage))
                         .dump() +
                     "\n");
    } else {
        const bool has_text = !reply.content.empty() || reply.tool_calls.empty();
        // On a terminal the markdown view has ended its last line itself.
        if (has_text && !is_terminal(kStdout)) write_stdout("\n");
        for (const std::string& call : reply.tool_calls) write_stdout(call + "\n");
    }
    if (reply.finish == FACET_FINISH_LENGTH && !json)
        note("the answer was cut: a length limit was reached");
    if (reply.finish != FACET_FINISH_CANCELLED) return kExitOk;
    if (write_stdout("")) note("stopped");
    return kExitFailed;
}

void add_options(OptionParser& parser, RunOptions& options) {
    parser.group("Prompt and output");
    parser.text("-f,--file", "FILE", "read (the rest of) the prompt from a file", options.file);
    parser.text("--system", "TEXT", "the system message", options.conversation.system);
    parser.flag("--think", "let the model think first; shown on a terminal", options.think);
    parser.flag("--no-think", "do not let it", options.no_think);
    parser.text("--tools", "FILE", "JSON list of tools; calls are printed as JSON", options.tools);
    parser.flag("--raw", "no chat: continue <bos> and the text as it stands", options.raw);
    parser.flag("--json", "print one object: content, reasoning, usage ..", options.json);
    add_model_options(parser, options.model);
    options.sampling.add_to(parser);
}

}  // namespace

int run_prompt(int argc, char** argv) {
    RunOptions options;
    OptionParser parser(
        "run [options] [PROMPT...]",
        "Answers a prompt: the words given, followed by -f FILE or what is piped in.",
        "  git diff | facet run --temp 0 \"Write a commit message for this\"\n"
        "  facet run --json --think \"Name three gems\" | jq -r .content\n");
    add_options(parser, options);
    if (const auto code = parser.parse(argc, argv)) return *code;
    if (options.think && options.no_think)
        return parser.wrong_use("--think and --no-think exclude each other");
    if (options.raw &&
        (options.think || !options.tools.empty() || !options.conversation.system.empty())) {
        return parser.wrong_use("--raw takes no --think, --tools or --system");
    }
    const auto prompt = read_prompt(parser.words(), options);
    if (!prompt.ok()) return fail(prompt.error());
    auto tools = read_tools(options.tools);
    if (!tools.ok()) return fail(tools.error());

    const auto model = open_model(options.model, ModelUse::kRun);
    if (!model.ok()) return fail(model.error());
    const auto session = create_session(model.value().get());
    if (!session.ok()) return fail(session.error());

    options.conversation.tools = tools.take();
    options.conversation.add_user(prompt.value());
    if (options.think) options.conversation.thinking = Thinking::kOn;
    if (options.no_think) options.conversation.thinking = Thinking::kOff;
    const InterruptScope interrupts(session.value().get());
    const auto reply = ask(options, model.value().get(), session.value().get(), prompt.value());
    if (!reply.ok()) return fail(reply.error());
    return report(reply.value(), options.json);
}

}  // namespace facet::app
