// The whole program through pipes, on the demo model: exit codes, what goes to stdout, the plumbing
// commands.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/json.h"
#include "base/mapped_file.h"
#include "tests/program_harness.h"

namespace facet {
namespace {

const std::vector<std::string> kCommandNames = {"chat",   "run",   "inspect", "tokenize",
                                                "render", "parse", "logits",  "bench"};

Json parsed(const std::string& text) {
    auto json = Json::parse(text);
    EXPECT_TRUE(json.ok()) << text;
    return json.ok() ? json.take() : Json::null();
}

std::string member(const Json& json, const char* name) {
    const Json* value = json.find(name);
    return value == nullptr ? "(missing)" : value->text;
}

std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> out;
    size_t begin = 0;
    for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
        out.push_back(text.substr(begin, end - begin));
    }
    return out;
}

// Options that keep the demo model from ever ending an answer.
std::vector<std::string> endless(std::vector<std::string> arguments) {
    for (const char* end : {"<turn|>", "<eos>", "<|tool_response>"}) {
        const std::string id = run_facet({"tokenize", "--special", end}).out;
        arguments.insert(arguments.end(), {"--logit-bias", id.substr(0, id.size() - 1) + "=-100"});
    }
    return arguments;
}

TEST(Program, HelpFitsAScreenAndHasExamples) {
    for (const std::string& command : kCommandNames) {
        for (const auto& arguments : {std::vector<std::string>{command, "--help"},
                                      std::vector<std::string>{"help", command}}) {
            const ProgramResult result = run_facet(arguments);
            EXPECT_EQ(result.code, 0);
            EXPECT_EQ(result.err, "");
            EXPECT_NE(result.out.find("Examples:\n  "), std::string::npos) << command;
            EXPECT_LE(lines(result.out).size(), 40u) << command;
            for (const std::string& line : lines(result.out)) EXPECT_LE(line.size(), 80u) << line;
        }
    }
    const std::string overview = run_facet({"--help"}).out;
    EXPECT_EQ(run_facet({"help"}).out, overview);
    for (const std::string& command : kCommandNames)
        EXPECT_NE(overview.find("\n  " + command), std::string::npos);
    EXPECT_TRUE(run_facet({"--version"}).out.starts_with("facet "));
}

TEST(Program, WrongUseExitsWithTwoAndAHintOnStderr) {
    const std::vector<std::vector<std::string>> wrong = {
        {},
        {"nonsense"},
        {"rendr"},
        {"run", "--nonsense", "x"},
        {"run", "--temp", "hot", "x"},
        {"run", "--think", "--no-think", "x"},
        {"run", "--raw", "--think", "x"},
        {"chat", "words"},
        {"tokenize", "--batch", "words"},
        {"inspect", "a", "b"},
    };
    for (const auto& arguments : wrong) {
        const ProgramResult result = run_facet(arguments);
        EXPECT_EQ(result.code, 2) << result.err;
        EXPECT_EQ(result.out, "");
        EXPECT_NE(result.err, "");
    }
    EXPECT_NE(run_facet({"rendr"}).err.find("did you mean 'render'?"), std::string::npos);
}

TEST(Program, AMissingModelFailsOnStderr) {
    for (const std::string command : {"chat", "run", "tokenize", "render", "parse", "logits"}) {
        const ProgramResult result = run_facet({command, "-m", "/no/such/model.gguf"}, "hi\n");
        EXPECT_EQ(result.code, 1) << command;
        EXPECT_EQ(result.out, "") << command;
        EXPECT_NE(result.err.find("/no/such/model.gguf"), std::string::npos) << result.err;
    }
    EXPECT_EQ(run_facet({"inspect", "/no/such/model.gguf"}).code, 1);
}

TEST(Program, SaysThatItUsesTheDemoModel) {
    const ProgramResult result = run_facet({"tokenize", "Hello"});
    EXPECT_EQ(result.code, 0);
    EXPECT_TRUE(result.err.starts_with("facet: using the demo model, a toy")) << result.err;
    EXPECT_EQ(lines(result.err).size(), 1u);
}

TEST(Chat, AnswersEachLineOfPipedInput) {
    const ProgramResult result = run_facet(
        {"chat", "--temp", "0"}, "What is 7 plus 5?\n\n  \nWhat is the capital of France?");
    EXPECT_EQ(result.code, 0);
    EXPECT_EQ(result.out, "7 + 5 = 12.\nThe capital of France is Paris.\n");
}

TEST(Chat, PipedLinesAreNeverCommands) {
    const std::string folder = fresh_folder("piped");
    const ProgramResult result =
        run_facet({"chat", "--temp", "0", "-n", "4"}, "/save " + folder + "/x\n/quit\nHello\n");
    EXPECT_EQ(result.code, 0);
    EXPECT_FALSE(std::filesystem::exists(folder + "/x"));
    EXPECT_GE(lines(result.out).size(), 3u);
}

TEST(Run, TakesThePromptFromWordsFileAndStdin) {
    const std::string file = fresh_folder("run") + "/prompt.txt";
    FILE* out = fopen(file.c_str(), "w");
    ASSERT_NE(out, nullptr);
    fputs("What is 7 plus 5?\n", out);
    fclose(out);
    const std::string answer = "7 + 5 = 12.\n";
    EXPECT_EQ(run_facet({"run", "--temp", "0", "What is", "7 plus 5?"}).out, answer);
    EXPECT_EQ(run_facet({"run", "--temp", "0", "-f", file}).out, answer);
    EXPECT_EQ(run_facet({"run", "--temp", "0"}, "What is 7 plus 5?\n").out, answer);
    EXPECT_EQ(run_facet({"run"}, "\n").code, 1);
}

TEST(Run, WordsAndStdinAreOnePrompt) {
    const auto prompt_tokens = [](const ProgramResult& result) {
        return member(*parsed(result.out).find("usage"), "prompt_tokens");
    };
    EXPECT_EQ(prompt_tokens(run_facet({"run", "--json", "-n", "1", "one"}, "two\n")),
              prompt_tokens(run_facet({"run", "--json", "-n", "1", "one\n\ntwo"})));
}

TEST(Run, PrintsOneObjectWithJson) {
    const ProgramResult result =
        run_facet({"run", "--json", "--think", "--temp", "0", "What is 7 plus 5?"});
    EXPECT_EQ(result.code, 0);
    ASSERT_EQ(lines(result.out).size(), 1u);
    const Json json = parsed(result.out);
    EXPECT_EQ(member(json, "content"), "7 + 5 = 12.");
    EXPECT_NE(member(json, "reasoning"), "");
    EXPECT_EQ(member(json, "finish_reason"), "stop");
    EXPECT_TRUE(json.find("tool_calls")->is_array());
    EXPECT_GT(std::stoi(member(*json.find("usage"), "completion_tokens")), 5);
}

TEST(Run, ThoughtsStayOffStdout) {
    EXPECT_EQ(run_facet({"run", "--think", "--temp", "0", "What is 7 plus 5?"}).out,
              "7 + 5 = 12.\n");
}

TEST(Run, ARawPromptIsContinued) {
    const ProgramResult result = run_facet({"run", "--raw", "--temp", "0", "-n", "3", "Once upon"});
    EXPECT_EQ(result.code, 0);
    EXPECT_TRUE(result.out.starts_with(" a time")) << result.out;
}

TEST(Run, CtrlCStopsCleanlyWithWhatThereIs) {
    const ProgramResult result =
        interrupt_facet(endless({"run", "--temp", "0", "Tell me a story."}), " ");
    EXPECT_EQ(result.code, 1);
    EXPECT_NE(result.out, "");
    EXPECT_TRUE(result.out.ends_with("\n"));
    EXPECT_NE(result.err.find("stopped"), std::string::npos) << result.err;
}

TEST(Run, AFullDiskIsAFailure) {
    const std::string command =
        std::string(FACET_PROGRAM) + " run hi --temp 0 < /dev/null > /dev/full 2> /dev/null";
    EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 1);
}

TEST(Tokenize, GoesThereAndBack) {
    const ProgramResult ids = run_facet({"tokenize", "Hello, world"});
    EXPECT_EQ(run_facet({"tokenize", "--decode"}, ids.out).out, "Hello, world\n");
    EXPECT_EQ(parsed(run_facet({"tokenize", "--json", "Hello"}).out).find("ids")->items.size(), 1u);
    const ProgramResult batch = run_facet(
        {"tokenize", "--batch"},
        "{\"text\": \"<bos>\"}\n{\"text\": \"<bos>\", \"parse_special\": true}\n{\"text\": 5}\n\n");
    ASSERT_EQ(lines(batch.out).size(), 4u);
    EXPECT_EQ(batch.code, 1);
    EXPECT_EQ(parsed(lines(batch.out)[1]).find("ids")->items.size(), 1u);
    EXPECT_GT(parsed(lines(batch.out)[0]).find("ids")->items.size(), 1u);
    EXPECT_NE(parsed(lines(batch.out)[2]).find("error"), nullptr);
    const std::string back = lines(batch.out)[1];
    EXPECT_EQ(run_facet({"tokenize", "--decode", "--batch"}, back + "\n").out,
              "{\"text\":\"<bos>\"}\n");
    std::string hidden = back;
    hidden.insert(hidden.size() - 1, ",\"special\":false");
    EXPECT_EQ(run_facet({"tokenize", "--decode", "--batch"}, hidden + "\n").out,
              "{\"text\":\"\"}\n");
}

TEST(Tokenize, ALineLongerThanTheLimitIsAnsweredWithAnError) {
    std::string input =
        "{\"text\": \"" + std::string(size_t{65} << 20, 'x') + "\"}\n{\"text\": \"a\"}\n";
    const ProgramResult result = run_facet({"tokenize", "--batch"}, input);
    EXPECT_EQ(result.code, 1);
    ASSERT_EQ(lines(result.out).size(), 2u);
    EXPECT_NE(parsed(lines(result.out)[0]).find("error"), nullptr);
    EXPECT_NE(parsed(lines(result.out)[1]).find("ids"), nullptr);
}

TEST(Render, IsExactInBatchesUnlessAsked) {
    const ProgramResult result =
        run_facet({"render", "--batch"},
                  "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}\n"
                  "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}], \"options\": null}\n"
                  "{\"messages\": 5}\n");
    EXPECT_EQ(result.code, 1);
    ASSERT_EQ(lines(result.out).size(), 3u);
    EXPECT_EQ(lines(result.out)[0], lines(result.out)[1]);
    const Json first = parsed(lines(result.out)[0]);
    ASSERT_EQ(first.members.size(), 2u);
    EXPECT_TRUE(
        member(first, "rendered").starts_with("<bos><|turn>user\nhi<turn|>\n<|turn>model\n"));
    EXPECT_TRUE(first.find("ids")->is_array());
    EXPECT_NE(run_facet({"render", "--system", "Be brief.", "hi"}).out.find("<|turn>system\n"),
              std::string::npos);
}

TEST(Parse, ShowsThoughtAndAnswer) {
    const std::string raw = "<|channel>thought\nhm<channel|>12";
    const Json single = parsed(run_facet({"parse", raw}).out);
    EXPECT_EQ(member(single, "content"), "12");
    EXPECT_EQ(member(single, "reasoning"), "hm");
    const ProgramResult batch = run_facet(
        {"parse", "--batch"},
        Json::object().set("raw", Json::of(raw)).set("ended_by", Json::of("stop")).dump() + "\n");
    EXPECT_EQ(batch.code, 0);
    EXPECT_EQ(parsed(batch.out).dump(), single.dump());
}

TEST(Logits, ListsTheBestAndWritesAllRows) {
    const std::string file = fresh_folder("logits") + "/rows.f32";
    const std::string request = "{\"ids\": [2, 5, 6], \"top\": 3, \"positions\": [0, 2]}\n";
    const ProgramResult result = run_facet({"logits", "--batch", "--out", file}, request);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(run_facet({"logits", "--batch"}, request).out, result.out);
    const auto rows = read_text_file(file, size_t{1} << 30);
    ASSERT_TRUE(rows.ok());
    const size_t row_bytes = rows.value().size() / 2;
    const Json json = parsed(result.out);
    const Json& positions = *json.find("positions");
    ASSERT_EQ(positions.items.size(), 2u);
    for (size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(member(positions.items[i], "pos"), i == 0 ? "0" : "2");
        float last = 1e30f;
        for (const Json& pair : positions.items[i].find("top")->items) {
            const auto id = static_cast<size_t>(pair.items[0].to_integer().value());
            float logit = 0;
            std::memcpy(&logit, rows.value().data() + i * row_bytes + id * sizeof(float),
                        sizeof logit);
            EXPECT_EQ(static_cast<float>(pair.items[1].to_double().value()), logit);
            EXPECT_LE(logit, last);
            last = logit;
        }
    }
}

TEST(Logits, OutTakesOneRequestAndLeavesNoFileBehindAnError) {
    const std::string folder = fresh_folder("logits_error");
    const std::string request = "{\"ids\": [2], \"positions\": \"all\"}\n";
    EXPECT_EQ(run_facet({"logits", "--batch", "--out", folder + "/a"}, request + request).code, 1);
    const ProgramResult bad =
        run_facet({"logits", "--batch", "--out", folder + "/a"}, "{\"ids\": [99999999]}\n");
    EXPECT_EQ(bad.code, 1);
    EXPECT_NE(parsed(bad.out).find("error"), nullptr);
    EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST(Logits, PicturesAreRefusedForNow) {
    const ProgramResult result =
        run_facet({"logits", "--batch"}, "{\"ids\": [2], \"images\": [\"a.png\"]}\n");
    EXPECT_EQ(result.code, 1);
    EXPECT_EQ(result.out, "{\"error\":\"pictures are not supported yet\"}\n");
}

TEST(Inspect, PrintsAPageAndJson) {
    const ProgramResult page = run_facet({"inspect", "-c", "1024"});
    EXPECT_EQ(page.code, 0);
    for (const char* part : {"Read for each token", "experts", "Tensor types",
                             "Memory with a context of 1,024 tokens", "total"}) {
        EXPECT_NE(page.out.find(part), std::string::npos) << part;
    }
    EXPECT_NE(page.out.find("Expected on this machine"), std::string::npos);
    EXPECT_EQ(run_facet({"inspect", "--no-measure"}).out.find("Expected"), std::string::npos);
    const Json json = parsed(run_facet({"inspect", "--json"}).out);
    EXPECT_NE(json.find("bytes_per_token"), nullptr);
    EXPECT_TRUE(json.find("memory_plan")->find("fits")->boolean);
    const Json& decode = json.find("prediction")->find("decode")->items.front();
    EXPECT_GT(decode.find("tokens_per_s")->to_double().value(), 0);
    EXPECT_TRUE(
        parsed(run_facet({"inspect", "--json", "--no-measure"}).out).find("prediction")->is_null());
    EXPECT_NE(run_facet({"inspect", "--tensors"}).out.find("token_embd.weight"), std::string::npos);
}

TEST(Bench, MeasuresAModelMadeInMemory) {
    const ProgramResult result = run_facet({"bench", "--synthetic", "tiny", "--type", "q8_0", "-p",
                                            "8", "-n", "4", "-d", "0,16", "-r", "2", "--json"});
    ASSERT_EQ(result.code, 0) << result.err;
    const Json report = parsed(result.out);
    EXPECT_EQ(member(report, "model"), "synthetic tiny q8_0");
    const Json& machine = *report.find("machine");
    for (const char* name : {"read_gb_per_s_before", "read_gb_per_s_after"})
        EXPECT_GT(machine.find(name)->to_double().value(), 0);
    std::vector<std::string> names;
    for (const Json& test : report.find("tests")->items) {
        names.push_back(member(test, "test"));
        EXPECT_EQ(test.find("tokens_per_s")->find("runs")->items.size(), 2u);
        EXPECT_EQ(test.find("ping_pong_ns")->items.size(), 3u);
        EXPECT_EQ(test.find("peak_share")->is_null(), names.back().starts_with("tg"));
    }
    EXPECT_EQ(names, (std::vector<std::string>{"pp8", "tg4", "pp8@d16", "tg4@d16"}));
}

TEST(Bench, AFileAndASyntheticModelExcludeEachOther) {
    EXPECT_EQ(run_facet({"bench", "--synthetic", "tiny", "-m", "x.gguf"}).code, 2);
    EXPECT_EQ(run_facet({"bench", "--type", "Q4_0"}).code, 2);
    EXPECT_EQ(run_facet({"bench", "--synthetic", "9b"}).code, 1);
}

}  // namespace
}  // namespace facet
