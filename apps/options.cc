// See options.h. Ranges follow the OpenAI API where it has one.
#include "options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <limits>

#include "console.h"

namespace facet::app {

namespace {

// Below the range of every option it stands for.
constexpr int32_t kNotGiven = -1;

constexpr int32_t kInt32Max = std::numeric_limits<int32_t>::max();

Result<float> parse_number(std::string_view text, float min, float max) {
    float value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, failure] = std::from_chars(text.data(), end, value);
    // Written so that NaN fails.
    if (failure != std::errc() || stop != end || !(value >= min && value <= max)) {
        return invalid_input(
            fmt::format("expected a number from {} to {}, found '{}'", min, max, text));
    }
    return value;
}

Result<facet_logit_bias> parse_logit_bias(const std::string& text) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos) {
        return invalid_input(fmt::format("expected ID=BIAS, found '{}'", text));
    }
    const int64_t id = FACET_TRY(parse_integer(text.substr(0, equals), 0, kInt32Max));
    const float bias =
        FACET_TRY(parse_number(std::string_view(text).substr(equals + 1), -100, 100));
    return facet_logit_bias{static_cast<int32_t>(id), bias};
}

}  // namespace

struct OptionParser::Parser {
    CLI::App app;
};

OptionParser::OptionParser(std::string usage, std::string summary, std::string examples)
    : command_(usage.substr(0, usage.find(' '))),
      usage_(std::move(usage)),
      summary_(std::move(summary)),
      examples_(std::move(examples)),
      parser_(std::make_unique<Parser>()) {
    parser_->app.set_help_flag();
    parser_->app.allow_extras();
    parser_->app.add_flag("-h,--help", wants_help_);
}

OptionParser::~OptionParser() = default;

void OptionParser::group(std::string title) { rows_.push_back({"", "", std::move(title)}); }

void OptionParser::add(Row row, std::function<Status(const std::string&)> take) {
    const CLI::callback_t take_all = [take, names = row.names](const CLI::results_t& values) {
        for (const std::string& value : values) {
            const Status taken = take(value);
            if (!taken.ok()) throw CLI::ValidationError(names, taken.error().message);
        }
        return true;
    };
    parser_->app.add_option(row.names, take_all)
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->allow_extra_args(false);
    if (!row.help.empty()) rows_.push_back(std::move(row));
}

void OptionParser::flag(std::string names, std::string help, bool& target) {
    parser_->app.add_flag_function(names, [&target](int64_t) { target = true; });
    rows_.push_back({std::move(names), "", std::move(help)});
}

void OptionParser::text(std::string names, std::string placeholder, std::string help,
                        std::string& target) {
    add({std::move(names), std::move(placeholder), std::move(help)},
        [&target](const std::string& value) {
            target = value;
            return Status();
        });
}

void OptionParser::integer(std::string names, std::string placeholder, std::string help,
                           int64_t min, int64_t max, int32_t& target) {
    add({std::move(names), std::move(placeholder), std::move(help)},
        [&target, min, max](const std::string& value) -> Status {
            target = static_cast<int32_t>(FACET_TRY(parse_integer(value, min, max)));
            return {};
        });
}

void OptionParser::number(std::string names, std::string placeholder, std::string help, float min,
                          float max, float& target) {
    add({std::move(names), std::move(placeholder), std::move(help)},
        [&target, min, max](const std::string& value) -> Status {
            target = FACET_TRY(parse_number(value, min, max));
            return {};
        });
}

void OptionParser::each(std::string names, std::string placeholder, std::string help,
                        std::function<Status(const std::string&)> take) {
    add({std::move(names), std::move(placeholder), std::move(help)}, std::move(take));
}

Status OptionParser::take_words() {
    bool only_words = false;
    for (const std::string& word : parser_->app.remaining()) {
        if (!only_words && word == "--") {
            only_words = true;
        } else if (!only_words && word.size() > 1 && word[0] == '-' &&
                   (word[1] < '0' || word[1] > '9')) {
            std::vector<std::string> names;
            for (const CLI::Option* option : parser_->app.get_options()) {
                for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
            }
            const std::string name = word.substr(0, word.find('='));
            const auto meant = closest(name, names);
            return invalid_input(
                fmt::format("there is no option '{}'{}", name,
                            meant ? fmt::format("; did you mean '{}'?", *meant) : ""));
        } else {
            words_.push_back(word);
        }
    }
    return {};
}

std::optional<int> OptionParser::parse(int argc, char** argv) {
    try {
        parser_->app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (wants_help_) return write_stdout(help()) ? kExitOk : kExitFailed;
        return wrong_use(error.what());
    }
    if (wants_help_) return write_stdout(help()) ? kExitOk : kExitFailed;
    const Status taken = take_words();
    if (!taken.ok()) return wrong_use(taken.error().message);
    return std::nullopt;
}

int OptionParser::wrong_use(std::string_view message) const {
    note(fmt::format("{} (see facet {} --help)", message, command_));
    return kExitWrongUse;
}

std::string OptionParser::help() const {
    constexpr size_t kHelpColumn = 30;
    std::string out = fmt::format("{}\nUsage: facet {}\n", summary_, usage_);
    for (const Row& row : rows_) {
        if (row.names.empty()) {
            out += fmt::format("\n{}:\n", row.help);
            continue;
        }
        std::string left = "  " + row.names;
        for (size_t comma = left.find(','); comma != std::string::npos;
             comma = left.find(',', comma + 2)) {
            left.insert(comma + 1, " ");
        }
        if (!row.placeholder.empty()) left += " " + row.placeholder;
        if (left.size() + 1 > kHelpColumn) {
            out += fmt::format("{}  {}\n", left, row.help);
        } else {
            out += fmt::format("{:<{}}{}\n", left, kHelpColumn, row.help);
        }
    }
    return examples_.empty() ? out : out + "\nExamples:\n" + examples_;
}

void add_model_file_option(OptionParser& parser, ModelOptions& options) {
    parser.text("-m,--model", "FILE", "GGUF file (default $FACET_MODEL, else the demo)",
                options.path);
}

void add_model_options(OptionParser& parser, ModelOptions& options) {
    parser.group("Model");
    add_model_file_option(parser, options);
    parser.text("--device", "NAME", "where to compute: cpu or reference", options.device);
    parser.text("--isa", "NAME", "instructions of the cpu, as avx2 (the best)", options.isa);
    parser.integer("-t,--threads", "N", "worker threads (0: one a core)", 0, 4096, options.threads);
    parser.integer("-c,--ctx", "N", "context in tokens (0: the most that fits)", 0, kInt32Max,
                   options.context);
    parser.flag("--mmap", "start at once from the file, and answer slower", options.mmap);
    parser.text("--kv", "TYPE", "keep keys and values in f16 or q8_0 (f16)", options.kv);
    parser.text("--cache-dir", "DIR", "save there what was read, to go on from later",
                options.cache_dir);
}

SamplingOptions::SamplingOptions() {
    values_.temperature = values_.top_p = values_.min_p = kNotGiven;
    values_.top_k = kNotGiven;
}

void SamplingOptions::add_to(OptionParser& parser) {
    facet_generation_options& v = values_;
    parser.group("Sampling");
    parser.number("--temp,--temperature", "X", "0: always the best token; else the model's", 0, 10,
                  v.temperature);
    parser.integer("--top-k", "N", "keep the N best tokens, 0: all", 0, kInt32Max, v.top_k);
    parser.number("--top-p", "P", "keep this much probability", 0, 1, v.top_p);
    parser.number("--min-p", "P", "drop below this share of the best", 0, 1, v.min_p);
    parser.number("--repetition-penalty", "X", "1 is off (1)", 0.01f, 10, v.repetition_penalty);
    parser.number("--presence-penalty", "X", "0 is off (0)", -2, 2, v.presence_penalty);
    parser.number("--frequency-penalty", "X", "0 is off (0)", -2, 2, v.frequency_penalty);
    parser.each("--logit-bias", "ID=BIAS", "add to a token's logit; repeatable",
                [this](const std::string& text) -> Status {
                    bias_.push_back(FACET_TRY(parse_logit_bias(text)));
                    return {};
                });
    parser.each("--seed", "N", "same seed, same answer", [this](const std::string& text) -> Status {
        values_.seed = FACET_TRY(parse_integer(text, -1, std::numeric_limits<int64_t>::max()));
        return {};
    });
    parser.integer("-n,--max-tokens", "N", "end after N tokens, thoughts included", 0, kInt32Max,
                   v.max_tokens);
    parser.each("--stop", "TEXT", "end before this text; repeatable",
                [this](const std::string& text) -> Status {
                    if (text.empty()) return invalid_input("expected a text, found none");
                    stop_.push_back(text);
                    return {};
                });
    parser.integer("--thinking-budget", "N", "close the thought after N tokens", -1, kInt32Max,
                   v.thinking_budget);
    parser.flag("--repetition-guard", "end when the output repeats itself", guard_);
}

facet_generation_options SamplingOptions::view(const facet_model* model) const {
    facet_generation_options values = values_;
    const facet_generation_options recommended = facet_model_generation_options(model);
    if (values.temperature == kNotGiven) values.temperature = recommended.temperature;
    if (values.top_k == kNotGiven) values.top_k = recommended.top_k;
    if (values.top_p == kNotGiven) values.top_p = recommended.top_p;
    if (values.min_p == kNotGiven) values.min_p = recommended.min_p;
    if (guard_) values.repetition_guard = 1;
    values.logit_bias = bias_.data();
    values.logit_bias_count = bias_.size();
    stop_pointers_.clear();
    for (const std::string& text : stop_) stop_pointers_.push_back(text.c_str());
    values.stop = stop_pointers_.data();
    values.stop_count = stop_pointers_.size();
    return values;
}

}  // namespace facet::app
