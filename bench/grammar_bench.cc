// What a token's mask costs with the real vocabulary of 262,144 entries: median and 99th percentile
// over random replies to a set of schemas, with fresh caches (as the first reply to a schema sees
// it) and with caches that an earlier reply has filled; and what compiling costs.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "base/check.h"
#include "format/gguf.h"
#include "grammar/gbnf.h"
#include "grammar/grammar_matcher.h"
#include "grammar/json_schema.h"
#include "text/vocabulary.h"

namespace facet {
namespace {

constexpr const char* kSchemas[] = {
    R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,
        "maximum":150},"email":{"type":"string","format":"email"}},"required":["name","age"],
        "additionalProperties":false})",
    R"({"type":"object","properties":{"title":{"type":"string","maxLength":80},"tags":{"type":"array",
        "items":{"enum":["news","sport","culture","science"]},"maxItems":5},"body":{"type":"string",
        "minLength":20,"maxLength":500},"score":{"type":"number","minimum":0,"maximum":1}},
        "required":["title","tags","body","score"],"additionalProperties":false})",
    R"({"$defs":{"node":{"type":"object","properties":{"value":{"type":"string"},"children":
        {"type":"array","items":{"$ref":"#/$defs/node"}}},"required":["value","children"],
        "additionalProperties":false}},"$ref":"#/$defs/node"})",
    R"({"type":"object"})",
    R"({"type":"array","items":{"type":"object","properties":{"id":{"type":"string","format":"uuid"},
        "at":{"type":"string","format":"date-time"},"kind":{"enum":["a","b"]},"note":{"type":"string",
        "pattern":"^[A-Z][a-z ]{0,40}$"}},"required":["id","at","kind"]},"minItems":2})",
    R"({"anyOf":[{"type":"object","properties":{"ok":{"const":true},"result":{"type":"number"}},
        "required":["ok","result"]},{"type":"object","properties":{"ok":{"const":false},"error":
        {"type":"string"}},"required":["ok","error"]}]})",
    R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},
        "additionalProperties":{"type":"integer"}})",
};

std::shared_ptr<const GrammarVocabulary> real_vocabulary() {
    static const auto made = [] {
        const auto file = GgufFile::open(FACET_SOURCE_DIR "/tests/data/gemma4-vocab.gguf");
        FACET_CHECK(file.ok());
        const Vocabulary vocabulary = Vocabulary::from_gguf(file.value()).take();
        auto result = GrammarVocabulary::create(vocabulary.output_bytes(),
                                                {vocabulary.id_of(Special::kTurnEnd)});
        FACET_CHECK(result.ok());
        return std::make_shared<const GrammarVocabulary>(result.take());
    }();
    return made;
}

using Clock = std::chrono::steady_clock;

double us_since(Clock::time_point begin) {
    return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

// One random reply of at most 200 tokens; appends the time of each mask.
void reply(GrammarMatcher matcher, std::mt19937& random, std::vector<double>& mask_us) {
    const GrammarVocabulary& vocabulary = matcher.vocabulary();
    std::vector<uint32_t> bits(vocabulary.mask_words());
    for (int step = 0; step < 200; ++step) {
        const Clock::time_point begin = Clock::now();
        FACET_CHECK(matcher.mask(bits).ok());
        mask_us.push_back(us_since(begin));
        std::vector<int32_t> ids;
        for (size_t word = 0; word < bits.size(); ++word) {
            for (uint32_t rest = bits[word]; rest != 0; rest &= rest - 1)
                ids.push_back(static_cast<int32_t>(word * 32) + __builtin_ctz(rest));
        }
        int32_t id = ids[random() % ids.size()];
        if (random() % 6 == 0) {  // strings end sooner or later
            for (const int32_t other : ids) {
                if (vocabulary.text(other) == "\"") id = other;
            }
        }
        if (vocabulary.is_end(id)) return;
        FACET_CHECK(matcher.accept(id).value());
    }
}

void report(benchmark::State& state, std::vector<double>& us) {
    std::sort(us.begin(), us.end());
    state.counters["masks"] = static_cast<double>(us.size());
    state.counters["median_us"] = us[us.size() / 2];
    state.counters["p99_us"] = us[us.size() * 99 / 100];
    state.counters["max_us"] = us.back();
}

void BM_Masks(benchmark::State& state) {
    const bool is_warm = state.range(0) != 0;
    std::vector<double> mask_us;
    for (auto _ : state) {
        std::mt19937 random(1);
        for (const char* schema : kSchemas) {
            auto grammar = compile_json_schema(Json::parse(schema).take());
            FACET_CHECK(grammar.ok());
            auto automaton = GrammarAutomaton::create(grammar.take(), real_vocabulary()).take();
            const GrammarMatcher matcher(automaton);
            std::vector<double> ignored;
            for (int i = 0; is_warm && i < 3; ++i) reply(matcher, random, ignored);
            for (int i = 0; i < (is_warm ? 3 : 1); ++i) reply(matcher, random, mask_us);
        }
    }
    report(state, mask_us);
}
BENCHMARK(BM_Masks)->ArgName("warm")->Arg(0)->Arg(1)->Iterations(3)->Unit(benchmark::kMillisecond);

void BM_CompileSchema(benchmark::State& state) {
    const Json schema = Json::parse(kSchemas[static_cast<size_t>(state.range(0))]).take();
    for (auto _ : state) benchmark::DoNotOptimize(compile_json_schema(schema).ok());
}
BENCHMARK(BM_CompileSchema)->DenseRange(0, 4)->Unit(benchmark::kMicrosecond);

void BM_Vocabulary(benchmark::State& state) {
    std::vector<std::string> texts;
    for (size_t id = 0; id < real_vocabulary()->size(); ++id)
        texts.emplace_back(real_vocabulary()->text(static_cast<int32_t>(id)));
    for (auto _ : state) benchmark::DoNotOptimize(GrammarVocabulary::create(texts, {}).ok());
}
BENCHMARK(BM_Vocabulary)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace facet
