// The program `facet`: finds the command and hands over. A new command is a row in the table.
#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "commands.h"
#include "console.h"
#include "facet/facet.h"
#include "options.h"

namespace facet::app {

namespace {

struct Command {
    std::string_view name;
    std::string_view summary;
    int (*run)(int argc, char** argv);
};

constexpr Command kCommands[] = {
    {"chat", "a conversation in the terminal", run_chat},
    {"run", "one answer to a prompt, for scripts", run_prompt},
    {"serve", "the model behind the OpenAI API, for other programs", run_serve},
    {"inspect", "what is in a model file, and what it needs", run_inspect},
    {"bench", "how fast a model runs here, and how fast it could", run_bench},
    {"tokenize", "text to token ids and back", run_tokenize},
    {"render", "a chat request to the prompt the model sees", run_render},
    {"parse", "a model's raw output to answer, thought and tool calls", run_parse},
    {"logits", "what the model thinks comes next", run_logits},
};

std::string overview() {
    std::string out =
        "Facet runs Google's Gemma 4 on ordinary computers.\n\nUsage: facet COMMAND [options]\n\n";
    for (const Command& command : kCommands)
        out += fmt::format("  {:<10}{}\n", command.name, command.summary);
    return out +
           "\n  facet COMMAND --help    options and examples of a command\n"
           "  facet --version         the version\n"
           "\nExamples:\n"
           "  facet chat\n"
           "  facet run -m gemma-4-26B-A4B-it-Q4_K_M.gguf \"Why is the sky blue?\"\n"
           "  facet serve -m gemma-4-26B-A4B-it-Q4_K_M.gguf\n"
           "  facet inspect gemma-4-26B-A4B-it-Q4_K_M.gguf\n";
}

int unknown_command(std::string_view word) {
    std::vector<std::string> names;
    for (const Command& command : kCommands) names.emplace_back(command.name);
    const auto meant = closest(word, names);
    note(fmt::format("there is no command '{}'{} (facet help lists them)", word,
                     meant ? fmt::format("; did you mean '{}'?", *meant) : ""));
    return kExitWrongUse;
}

int run_program(int argc, char** argv) {
    if (argc < 2) {
        fmt::print(stderr, "{}", overview());
        return kExitWrongUse;
    }
    std::string_view word = argv[1];
    if (word == "--version" || word == "-V")
        return write_stdout(fmt::format("facet {}\n", facet_version())), kExitOk;
    const bool asks_help = word == "help" || word == "--help" || word == "-h";
    if (asks_help && argc < 3) return write_stdout(overview()), kExitOk;
    if (asks_help) word = argv[2];
    for (const Command& command : kCommands) {
        if (command.name != word) continue;
        if (!asks_help) return command.run(argc - 1, argv + 1);
        std::string help = "--help";
        char* arguments[] = {argv[2], help.data(), nullptr};
        return command.run(2, arguments);
    }
    return unknown_command(word);
}

}  // namespace

}  // namespace facet::app

int main(int argc, char** argv) {
    return facet::app::finish_stdout(facet::app::run_program(argc, argv));
}
