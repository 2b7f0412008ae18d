// `facet tokenize`: text to token ids and back. The batch form is in docs/cli.md.
#include <fmt/format.h>

#include <limits>

#include "api.h"
#include "commands.h"
#include "console.h"
#include "jsonl.h"
#include "model_file.h"
#include "options.h"
#include "text_input.h"

namespace facet::app {

namespace {

struct TokenizeOptions {
    ModelOptions model;
    std::string file;
    bool decode = false;
    bool batch = false;
    bool special = false;
    bool no_special = false;
    bool json = false;
};

std::string ids_answer(const std::vector<int32_t>& ids) {
    return Json::object().set("ids", ids_to_json(ids)).dump();
}

std::string text_answer(const std::string& text) {
    return Json::object().set("text", Json::of(text)).dump();
}

Result<std::string> answer_encode(const facet_model* model, const Json& request) {
    const Json* text = request.find("text");
    if (text == nullptr || !text->is_string()) return invalid_input("\"text\" must be a string");
    const bool special = FACET_TRY(optional_bool(request, "parse_special", false));
    return ids_answer(FACET_TRY(tokenize(model, text->text, special)));
}

Result<std::string> answer_decode(const facet_model* model, const Json& request) {
    const auto ids = FACET_TRY(ids_from_json(request.find("ids")));
    const bool special = FACET_TRY(optional_bool(request, "special", true));
    return text_answer(FACET_TRY(detokenize(model, ids, special)));
}

// Ids as people write them: decimal numbers between spaces, commas and brackets.
Result<std::vector<int32_t>> parse_ids(std::string_view text) {
    constexpr std::string_view kSeparators = " \t\r\n,[]";
    std::vector<int32_t> ids;
    while (true) {
        const size_t begin = text.find_first_not_of(kSeparators);
        if (begin == std::string_view::npos) return ids;
        text.remove_prefix(begin);
        const std::string_view word = text.substr(0, text.find_first_of(kSeparators));
        const int64_t id = FACET_TRY(parse_integer(word, 0, std::numeric_limits<int32_t>::max()));
        ids.push_back(static_cast<int32_t>(id));
        text.remove_prefix(word.size());
    }
}

Result<std::string> single_answer(const facet_model* model, const std::string& input,
                                  const TokenizeOptions& options) {
    if (options.decode) {
        const auto ids = FACET_TRY(parse_ids(input));
        const std::string text = FACET_TRY(detokenize(model, ids, !options.no_special));
        return options.json ? text_answer(text) : text;
    }
    const auto ids = FACET_TRY(tokenize(model, input, options.special));
    return options.json ? ids_answer(ids) : fmt::format("{}", fmt::join(ids, " "));
}

int batch(const facet_model* model, const TokenizeOptions& options) {
    const auto input = InputFile::open(options.file);
    if (!input.ok()) return fail(input.error());
    return run_jsonl(input.value().fd(), [&](const Json& request) {
        return options.decode ? answer_decode(model, request) : answer_encode(model, request);
    });
}

}  // namespace

int run_tokenize(int argc, char** argv) {
    OptionParser parser("tokenize [options] [TEXT... | -f FILE | < FILE]",
                        "Turns text into token ids, or ids into text.",
                        "  facet tokenize \"Hello, world\"\n"
                        "  facet tokenize --decode 2 9259 236764 1902\n"
                        "  facet tokenize --json -f letter.txt\n"
                        "  echo '{\"text\": \"Hello\"}' | facet tokenize --batch\n");
    TokenizeOptions options;
    parser.group("Options");
    add_model_file_option(parser, options.model);
    parser.text("-f,--file", "FILE", "read the text (or the ids) from a file", options.file);
    parser.flag("--decode", "ids to text", options.decode);
    parser.flag("--special", "special strings in the text become special tokens", options.special);
    parser.flag("--no-special", "with --decode: leave special tokens out", options.no_special);
    parser.flag("--json", "print a JSON object", options.json);
    parser.flag("--batch", "a JSON request a line, an answer a line", options.batch);
    if (const auto code = parser.parse(argc, argv)) return *code;
    if (options.batch && !parser.words().empty()) return parser.wrong_use("--batch takes no TEXT");

    const auto model = open_model(options.model, ModelUse::kTextOnly);
    if (!model.ok()) return fail(model.error());
    if (options.batch) return batch(model.value().get(), options);
    const auto input = read_input(parser.words(), options.file);
    if (!input.ok()) return fail(input.error());
    const auto answer = single_answer(model.value().get(), input.value(), options);
    if (!answer.ok()) return fail(answer.error());
    write_stdout(answer.value() + "\n");
    return kExitOk;
}

}  // namespace facet::app
