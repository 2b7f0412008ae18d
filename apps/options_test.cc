// Option tables: values, ranges, hints, help.
#include "options.h"

#include <gtest/gtest.h>

#include "console.h"

namespace facet::app {
namespace {

struct Parsed {
    std::optional<int> code;
    std::string out;
    std::string err;
    std::vector<std::string> words;
    ModelOptions model;
    facet_generation_options generation;
    std::vector<std::string> stop;
    std::vector<facet_logit_bias> bias;
};

Parsed parse(std::vector<std::string> arguments) {
    Parsed parsed;
    SamplingOptions sampling;
    OptionParser parser("test [options]", "Tests.", "  facet test\n");
    add_model_options(parser, parsed.model);
    sampling.add_to(parser);
    arguments.insert(arguments.begin(), "test");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    parsed.code = parser.parse(static_cast<int>(argv.size()), argv.data());
    parsed.out = testing::internal::GetCapturedStdout();
    parsed.err = testing::internal::GetCapturedStderr();
    parsed.words = parser.words();
    parsed.generation = sampling.view(nullptr);
    for (size_t i = 0; i < parsed.generation.stop_count; ++i)
        parsed.stop.emplace_back(parsed.generation.stop[i]);
    parsed.bias.assign(parsed.generation.logit_bias,
                       parsed.generation.logit_bias + parsed.generation.logit_bias_count);
    return parsed;
}

TEST(Options, NothingGivenMeansTheDefaults) {
    const Parsed parsed = parse({});
    EXPECT_FALSE(parsed.code);
    const auto defaults = facet_generation_options_default();
    EXPECT_EQ(parsed.generation.temperature, defaults.temperature);
    EXPECT_EQ(parsed.generation.top_k, defaults.top_k);
    EXPECT_EQ(parsed.generation.seed, defaults.seed);
    EXPECT_EQ(parsed.generation.repetition_guard, defaults.repetition_guard);
}

TEST(Options, TakesValuesInEveryForm) {
    const Parsed parsed =
        parse({"-m",           "a.gguf", "--temp", "0",  "--top-k=5",          "-n3",
               "--seed",       "-1",     "-t",     "2",  "--presence-penalty", "-1.5",
               "--stop",       "a b",    "--stop", "{}", "--logit-bias",       "7=-100",
               "--logit-bias", "9=2.5"});
    ASSERT_FALSE(parsed.code) << parsed.err;
    EXPECT_EQ(parsed.model.path, "a.gguf");
    EXPECT_EQ(parsed.model.threads, 2);
    EXPECT_EQ(parsed.generation.temperature, 0.0f);
    EXPECT_EQ(parsed.generation.top_k, 5);
    EXPECT_EQ(parsed.generation.max_tokens, 3);
    EXPECT_EQ(parsed.generation.seed, -1);
    EXPECT_EQ(parsed.generation.presence_penalty, -1.5f);
    EXPECT_EQ(parsed.stop, (std::vector<std::string>{"a b", "{}"}));
    ASSERT_EQ(parsed.bias.size(), 2u);
    EXPECT_EQ(parsed.bias[0].id, 7);
    EXPECT_EQ(parsed.bias[0].bias, -100.0f);
}

TEST(Options, WordsStayAsTheyAre) {
    EXPECT_EQ(parse({"[1,2]", "--temp", "1", "-5", "{}", ""}).words,
              (std::vector<std::string>{"[1,2]", "-5", "{}", ""}));
    EXPECT_EQ(parse({"a", "--", "--temp", "--"}).words,
              (std::vector<std::string>{"a", "--temp", "--"}));
}

TEST(Options, ValuesOutOfRangeAreWrongUse) {
    const std::vector<std::vector<std::string>> wrong = {
        {"--temp", "-1"},
        {"--temp", "nan"},
        {"--temp", "1x"},
        {"--temp", "inf"},
        {"--top-p", "1.5"},
        {"--top-k", "-1"},
        {"--top-k", "2.5"},
        {"--min-p", "2"},
        {"--seed", "x"},
        {"-n", "99999999999"},
        {"-c", "-1"},
        {"-t", "100000"},
        {"--logit-bias", "5"},
        {"--logit-bias", "a=1"},
        {"--logit-bias", "5=101"},
        {"--repetition-penalty", "0"},
        {"--stop", ""},
        {"--temp"},
    };
    for (const auto& arguments : wrong) {
        const Parsed parsed = parse(arguments);
        EXPECT_EQ(parsed.code, kExitWrongUse) << arguments[0];
        EXPECT_TRUE(parsed.err.starts_with("facet: ")) << parsed.err;
        EXPECT_NE(parsed.err.find("facet test --help"), std::string::npos) << parsed.err;
        EXPECT_EQ(parsed.out, "");
    }
}

TEST(Options, AnUnknownOptionGetsAHint) {
    const Parsed parsed = parse({"--tempp", "1"});
    EXPECT_EQ(parsed.code, kExitWrongUse);
    EXPECT_NE(parsed.err.find("did you mean '--temp'?"), std::string::npos) << parsed.err;
    EXPECT_EQ(parse({"-z"}).code, kExitWrongUse);
}

TEST(Options, HelpFitsAScreenAndGoesToStdout) {
    const Parsed parsed = parse({"--help"});
    EXPECT_EQ(parsed.code, kExitOk);
    EXPECT_EQ(parsed.err, "");
    EXPECT_LE(std::count(parsed.out.begin(), parsed.out.end(), '\n'), 40);
    size_t begin = 0;
    for (size_t end; (end = parsed.out.find('\n', begin)) != std::string::npos; begin = end + 1) {
        EXPECT_LE(end - begin, 80u) << parsed.out.substr(begin, end - begin);
    }
    EXPECT_NE(parsed.out.find("Examples:\n  facet test\n"), std::string::npos);
}

}  // namespace
}  // namespace facet::app
