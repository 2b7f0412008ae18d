// `facet chat`: a conversation. On a terminal with an editor, markdown and commands; with piped
// input each line is a message (and never a command: what is piped in may come from anywhere) and
// stdout holds the answers alone.
#include <fmt/format.h>
#include <unistd.h>

#include "api.h"
#include "commands.h"
#include "console.h"
#include "environment.h"
#include "interrupt.h"
#include "jsonl.h"
#include "line_editor.h"
#include "model_file.h"
#include "options.h"
#include "reply.h"
#include "slash_commands.h"
#include "terminal_text.h"

namespace facet::app {

namespace {

class Chat {
  public:
    Chat(ChatState state, facet_session* session, const SamplingOptions& sampling)
        : state_(std::move(state)), session_(session), sampling_(sampling) {}

    int run_editor();
    int run_lines(bool from_terminal);

  private:
    enum class Turn { kAnswered, kFailed, kStopped, kLeave };

    Turn take_message(const std::string& text, bool commands);
    Turn answer(const std::string& text);
    void remember(const Reply& reply);

    ChatState state_;
    facet_session* session_;
    const SamplingOptions& sampling_;
};

bool is_blank(const std::string& text) {
    return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

Chat::Turn Chat::take_message(const std::string& text, bool commands) {
    const CommandOutcome outcome =
        commands ? run_chat_command(state_, text) : CommandOutcome::kNoCommand;
    if (outcome == CommandOutcome::kQuit) return Turn::kLeave;
    if (outcome == CommandOutcome::kDone) return Turn::kAnswered;
    return answer(text);
}

Chat::Turn Chat::answer(const std::string& text) {
    state_.conversation.add_user(text);
    const std::string request = state_.conversation.request().dump();
    const facet_generation_options generation = sampling_.view(state_.model);
    InterruptScope::take();
    const auto reply = run_reply(
        {.show_thoughts = state_.show_thoughts}, [&](facet_event_fn on_event, void* user) {
            return facet_session_chat(session_, request.c_str(), &generation, on_event, user);
        });
    // On a terminal the markdown view has ended its last line itself; there a blank line sets off
    // the next prompt.
    if (reply.ok()) write_stdout("\n");
    const int interrupts = InterruptScope::take();
    if (!reply.ok()) {
        state_.conversation.drop_last();
        note(reply.error().message);
        return Turn::kFailed;
    }
    remember(reply.value());
    if (interrupts > 1) return Turn::kLeave;
    return reply.value().finish == FACET_FINISH_CANCELLED ? Turn::kStopped : Turn::kAnswered;
}

// A stopped answer stays in the conversation as far as it came; a question without any answer does
// not.
void Chat::remember(const Reply& reply) {
    state_.usage = reply.usage;
    const bool stopped = reply.finish == FACET_FINISH_CANCELLED;
    if (stopped && reply.content.empty() && reply.reasoning.empty()) {
        state_.conversation.drop_last();
    } else {
        state_.conversation.add_assistant(reply.content, reply.reasoning);
    }
    if (stopped) note("stopped");
    if (reply.finish == FACET_FINISH_LENGTH) note("the answer was cut: a length limit was reached");
    if (reply.finish == FACET_FINISH_TOOL_CALLS)
        note("the model asked for a tool; a chat has none");
}

int Chat::run_editor() {
    const std::string folder = read_environment().state_folder;
    LineEditor editor(folder.empty() ? History() : History(folder + "/history"));
    bool interrupted = false;
    std::string text;
    while (editor.read("> ", interrupted, text) == LineEditor::Outcome::kLine) {
        interrupted = false;
        if (is_blank(text)) continue;
        const Turn turn = take_message(text, true);
        if (turn == Turn::kLeave) break;
        interrupted = turn == Turn::kStopped;
    }
    set_input_mode(InputMode::kOriginal);
    return kExitOk;
}

int Chat::run_lines(bool from_terminal) {
    LineReader reader(kStdin, kLineBytesMax);
    std::string line;
    int code = kExitOk;
    while (true) {
        if (from_terminal) write_raw(kStderr, "> ");
        const LineReader::Outcome outcome = reader.next(line);
        if (outcome == LineReader::Outcome::kEnd) return code;
        if (outcome == LineReader::Outcome::kFailed) {
            if (InterruptScope::take() > 0) return code;
            return fail({ErrorKind::kIo, "cannot read the messages"});
        }
        if (outcome == LineReader::Outcome::kTooLong) {
            code = fail(
                invalid_input(fmt::format("a message is longer than {} bytes", kLineBytesMax)));
            continue;
        }
        if (line.ends_with('\r')) line.pop_back();
        if (is_blank(line)) continue;
        const Turn turn = take_message(line, from_terminal);
        if (turn == Turn::kFailed) code = kExitFailed;
        if (turn == Turn::kLeave) return code;
        // A script has nobody to press Ctrl-C twice.
        if (turn == Turn::kStopped && !from_terminal) return kExitFailed;
        if (!write_stdout("")) return kExitFailed;
    }
}

void greet(const facet_model* model) {
    const auto name = model_text(model, "name");
    const std::string shown = name.ok() && !name.value().empty() ? name.value() : "unnamed model";
    const auto context = model_number(model, "context");
    write_raw(kStderr,
              fmt::format("facet {}, {}, context of {} tokens; /help lists the commands, Ctrl-D "
                          "leaves\n",
                          facet_version(), neutralize(shown), context.ok() ? context.value() : 0));
}

}  // namespace

int run_chat(int argc, char** argv) {
    OptionParser parser(
        "chat [options] [< MESSAGES]",
        "A conversation in the terminal; /help there lists its commands. With piped input\n"
        "each line is a message, and the answers go to stdout.",
        "  facet chat\n"
        "  facet chat -m model.gguf --think --system \"You are a gemmologist.\"\n"
        "  echo \"What is 7 plus 5?\" | facet chat --temp 0\n");
    ModelOptions model_options;
    SamplingOptions sampling;
    ChatState state;
    bool think = false;
    bool no_think = false;
    parser.group("Chat");
    parser.text("--system", "TEXT", "the system message", state.conversation.system);
    parser.flag("--think", "let the model think first (/think on)", think);
    parser.flag("--no-think", "do not let it", no_think);
    add_model_options(parser, model_options);
    sampling.add_to(parser);
    if (const auto code = parser.parse(argc, argv)) return *code;
    if (!parser.words().empty())
        return parser.wrong_use("chat takes no words; facet run answers a prompt");
    if (think && no_think) return parser.wrong_use("--think and --no-think exclude each other");
    if (think) state.conversation.thinking = Thinking::kOn;
    if (no_think) state.conversation.thinking = Thinking::kOff;

    const auto model = open_model(model_options, ModelUse::kRun);
    if (!model.ok()) return fail(model.error());
    const auto session = create_session(model.value().get());
    if (!session.ok()) return fail(session.error());
    state.model = model.value().get();
    const InterruptScope interrupts(session.value().get());
    Chat chat(std::move(state), session.value().get(), sampling);
    if (!isatty(kStdin)) return chat.run_lines(false);
    greet(model.value().get());
    return is_terminal(kStdin) && is_terminal(kStdout) ? chat.run_editor() : chat.run_lines(true);
}

}  // namespace facet::app
