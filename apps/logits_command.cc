// `facet logits`: the model's scores for the next token at chosen positions. The batch form is in
// docs/cli.md.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "api.h"
#include "atomic_file.h"
#include "commands.h"
#include "console.h"
#include "jsonl.h"
#include "logits_request.h"
#include "model_file.h"
#include "options.h"
#include "text_input.h"

namespace facet::app {

namespace {

// Rows computed at a time are limited to about this much, so that "all" of a long text fits into
// memory.
constexpr size_t kRowsBytesMax = size_t{256} << 20;

// Computes the rows of a request and hands each to `take`, in the order asked.
class LogitsRunner {
  public:
    LogitsRunner(facet_session* session, size_t vocabulary)
        : session_(session), vocabulary_(vocabulary) {}

    template <typename Take>
    Status run(const LogitsRequest& request, const Take& take) {
        const size_t step = std::max<size_t>(1, kRowsBytesMax / (vocabulary_ * sizeof(float)));
        const auto& asked = request.positions;
        size_t count = 0;
        for (size_t begin = 0; begin < asked.size(); begin += count) {
            // The library takes ascending positions: one call for each ascending stretch.
            count = 1;
            while (count < step && begin + count < asked.size() &&
                   asked[begin + count] > asked[begin + count - 1]) {
                ++count;
            }
            const int32_t* positions = asked.data() + begin;
            rows_.resize(count * vocabulary_);
            // Ids after the last position asked for do not change its logits.
            const size_t ids_needed = static_cast<size_t>(positions[count - 1]) + 1;
            FACET_TRY(api_status(facet_session_logits(session_, request.ids.data(), ids_needed,
                                                      positions, count, rows_.data())));
            for (size_t i = 0; i < count; ++i) {
                FACET_TRY(take(positions[i], rows_.data() + i * vocabulary_));
            }
        }
        return {};
    }

    size_t vocabulary() const { return vocabulary_; }

  private:
    facet_session* session_;
    size_t vocabulary_;
    std::vector<float> rows_;
};

Result<std::string> answer(LogitsRunner& runner, const Json& json, AtomicFile* out) {
    const LogitsRequest request = FACET_TRY(parse_logits_request(json));
    std::string list;
    FACET_TRY(runner.run(request, [&](int32_t position, const float* row) -> Status {
        const auto top = FACET_TRY(top_logits(row, runner.vocabulary(), request.top));
        if (!list.empty()) list += ',';
        append_position(list, position, top);
        if (out == nullptr) return {};
        return out->write(
            {reinterpret_cast<const char*>(row), runner.vocabulary() * sizeof(float)});
    }));
    return "{\"positions\":[" + list + "]}";
}

int batch(LogitsRunner& runner, const std::string& file, const std::string& out_path) {
    const auto input = InputFile::open(file);
    if (!input.ok()) return fail(input.error());
    if (out_path.empty()) {
        return run_jsonl(input.value().fd(),
                         [&](const Json& request) { return answer(runner, request, nullptr); });
    }
    const auto to_file = [&](const Json& request) -> Result<std::string> {
        AtomicFile out = FACET_TRY(AtomicFile::create(out_path));
        auto line = FACET_TRY(answer(runner, request, &out));
        FACET_TRY(out.commit());
        return line;
    };
    return run_single_jsonl(input.value().fd(), to_file, "--out takes exactly one request");
}

Status single(LogitsRunner& runner, const facet_model* model, const std::string& text, int32_t top,
              const std::string& out_path) {
    LogitsRequest request;
    request.ids = FACET_TRY(raw_prompt(model, text));
    request.positions = {static_cast<int32_t>(request.ids.size()) - 1};
    return runner.run(request, [&](int32_t, const float* row) -> Status {
        for (const auto& [id, logit] :
             FACET_TRY(top_logits(row, runner.vocabulary(), static_cast<size_t>(top)))) {
            const std::string piece = FACET_TRY(detokenize(model, {id}, true));
            write_stdout(fmt::format("{:>8}  {:>12.5f}  {}\n", id, logit, Json::of(piece).dump()));
        }
        if (out_path.empty()) return {};
        return write_file(
            out_path, {reinterpret_cast<const char*>(row), runner.vocabulary() * sizeof(float)});
    });
}

}  // namespace

int run_logits(int argc, char** argv) {
    OptionParser parser(
        "logits [options] [TEXT... | < FILE]",
        "Shows the tokens that the model finds likeliest after a text, with their logits.\n"
        "Runs on the reference device, slow and exact, unless --device names another.",
        "  facet logits \"The capital of France is\" --top 5\n"
        "  echo '{\"ids\": [2, 9259], \"top\": 3, \"positions\": \"all\"}' | facet logits --batch\n"
        "  facet logits --batch --out rows.f32 < request.json\n");
    ModelOptions model_options;
    std::string file;
    std::string out_path;
    std::string mmproj;
    int32_t top = 10;
    bool use_batch = false;
    parser.group("Options");
    parser.text("-f,--file", "FILE", "read the text (or the batch) from a file", file);
    parser.integer("--top", "N", "how many tokens to show (10)", 1, 1 << 20, top);
    parser.flag("--batch", "a JSON request a line, an answer a line", use_batch);
    parser.text("--out", "FILE", "write the full rows as f32 (one request)", out_path);
    parser.text("--mmproj", "FILE", "vision weights (not used yet)", mmproj);
    add_model_options(parser, model_options);
    if (const auto code = parser.parse(argc, argv)) return *code;
    if (use_batch && !parser.words().empty()) return parser.wrong_use("--batch takes no TEXT");
    if (model_options.device.empty() && model_options.isa.empty())
        model_options.device = "reference";
    if (!mmproj.empty()) note("pictures are not supported yet; --mmproj is not used");

    const auto model = open_model(model_options, ModelUse::kRun);
    if (!model.ok()) return fail(model.error());
    const auto session = create_session(model.value().get());
    if (!session.ok()) return fail(session.error());
    const auto vocabulary = model_number(model.value().get(), "vocabulary");
    if (!vocabulary.ok()) return fail(vocabulary.error());
    LogitsRunner runner(session.value().get(), static_cast<size_t>(vocabulary.value()));
    if (use_batch) return batch(runner, file, out_path);
    const auto text = read_input(parser.words(), file);
    if (!text.ok()) return fail(text.error());
    const Status shown = single(runner, model.value().get(), text.value(), top, out_path);
    return shown.ok() ? kExitOk : fail(shown.error());
}

}  // namespace facet::app
