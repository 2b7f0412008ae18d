// Command-line options as tables: each command names its options once, and parsing, range checks,
// hints and the
// --help page follow from that.
//
// Owns the wrapping of CLI11 (no other file includes it) and the options that several commands
// share. CLI11 matches names and values; words that are no options are collected here, because
// CLI11 splits a word such as "[1,2]".
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/option_text.h"
#include "base/result.h"
#include "facet/facet.h"

namespace facet::app {

class OptionParser {
  public:
    // `usage` follows "facet " in the help, as in "run [options] PROMPT..."; `examples` is printed
    // as it stands.
    OptionParser(std::string usage, std::string summary, std::string examples);
    ~OptionParser();

    void group(std::string title);  // starts a group of options in the help
    void flag(std::string names, std::string help, bool& target);
    void text(std::string names, std::string placeholder, std::string help, std::string& target);
    void integer(std::string names, std::string placeholder, std::string help, int64_t min,
                 int64_t max, int32_t& target);
    void number(std::string names, std::string placeholder, std::string help, float min, float max,
                float& target);
    // May be given several times; `take` is called for each value and may refuse it.
    void each(std::string names, std::string placeholder, std::string help,
              std::function<Status(const std::string&)> take);

    // Parses what follows the command's name. Holds an exit code if the command must not go on:
    // kExitOk after
    // --help (printed to stdout), kExitWrongUse after a mistake (explained on stderr).
    std::optional<int> parse(int argc, char** argv);

    // The words that are no options, in order.
    const std::vector<std::string>& words() const { return words_; }

    // Explains a mistake that parse() cannot see, and returns kExitWrongUse.
    int wrong_use(std::string_view message) const;

    std::string help() const;

  private:
    struct Row {
        std::string names;
        std::string placeholder;
        std::string help;
    };
    struct Parser;  // CLI11's

    void add(Row row, std::function<Status(const std::string&)> take);
    Status take_words();

    std::string command_;
    std::string usage_;
    std::string summary_;
    std::string examples_;
    std::vector<Row> rows_;
    std::vector<std::string> words_;
    std::unique_ptr<Parser> parser_;
    bool wants_help_ = false;
};

struct ModelOptions {
    std::string path;       // empty: FACET_MODEL, else the demo model
    std::string device;     // empty: the best this build has
    std::string isa;        // empty: FACET_ISA, else the best of this machine
    std::string kv;         // empty: f16
    std::string cache_dir;  // empty: FACET_CACHE_DIR, else nothing is saved
    int32_t threads = 0;
    int32_t context = 0;
    bool mmap = false;
};
void add_model_file_option(OptionParser& parser, ModelOptions& options);
void add_model_options(OptionParser& parser, ModelOptions& options);

// Sampling and stopping. What is not given is as the model's file recommends.
class SamplingOptions {
  public:
    SamplingOptions();
    void add_to(OptionParser& parser);
    // `model` may be null: the model card's values. Points into this object.
    facet_generation_options view(const facet_model* model) const;

  private:
    // Temperature, top_k, top_p and min_p hold a value outside their range while not given.
    facet_generation_options values_ = facet_generation_options_default();
    bool guard_ = false;
    std::vector<facet_logit_bias> bias_;
    std::vector<std::string> stop_;
    mutable std::vector<const char*> stop_pointers_;
};

}  // namespace facet::app
