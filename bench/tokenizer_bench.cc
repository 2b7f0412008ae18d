// How fast text becomes ids: reading the vocabulary, building the tables, 10 MB of text of several
// kinds.
//
// The text is made here, the same on every run: words of the real vocabulary, the frequent (low
// ids) more often.
#include <benchmark/benchmark.h>

#include <cmath>
#include <functional>
#include <random>
#include <string>

#include "base/check.h"
#include "base/utf8.h"
#include "format/gguf.h"
#include "text/tokenizer.h"

namespace facet {
namespace {

constexpr size_t kTextBytes = 10'000'000;
constexpr size_t kBlockBytes = 4096;

const GgufFile& file() {
    static const GgufFile opened = [] {
        auto result = GgufFile::open(FACET_SOURCE_DIR "/tests/data/gemma4-vocab.gguf");
        FACET_CHECK(result.ok());
        return result.take();
    }();
    return opened;
}

const Vocabulary& vocabulary() {
    static const Vocabulary read = Vocabulary::from_gguf(file()).take();
    return read;
}

const Tokenizer& tokenizer() {
    static const Tokenizer built(vocabulary());
    return built;
}

// Appends one block of its kind of text.
class TextSource {
  public:
    TextSource() {
        for (int32_t id = 500; id < vocabulary().size(); ++id) {
            std::string word;
            vocabulary().append_text(id, word);
            const char32_t first = decode_utf8(word).code_point;
            if (first == ' ' && static_cast<unsigned char>(word.back()) < 0x80) {
                words_.push_back(word);
            }
            if (first >= 0x3040 && first < 0xa000) ideographs_.push_back(word);
        }
    }

    void prose(std::string& text) {
        static constexpr const char* kStops[] = {".", ",", ".", "?\n\n", ".\n", ";", ":", " -"};
        fill(text, [&] {
            text += common(words_);
            if (random_() % 10 == 0) text += kStops[random_() % 8];
        });
    }
    void code(std::string& text) {
        static constexpr const char* kSigns[] = {"(",     ")",   " = ",     "->",
                                                 "::",    "[i]", ";\n    ", " {\n        ",
                                                 "}\n\n", ", ",  "0x7f",    "\t// "};
        fill(text, [&] {
            text += std::string_view(common(words_)).substr(1);
            text += kSigns[random_() % 12];
        });
    }
    void ideographs(std::string& text) {
        fill(text, [&] { text += common(ideographs_); });
    }
    void emoji(std::string& text) {
        fill(text, [&] {
            append_utf8(text, 0x1f300 + random_() % 0x400);
            if (random_() % 4 == 0) append_utf8(text, 0x1f3fb + random_() % 5);
        });
    }
    void long_line(std::string& text) {
        fill(text, [&] {
            text += std::string_view(common(words_)).substr(1);
            text += "{},;:=\"'"[random_() % 8];
        });
    }
    void run(std::string& text) { text.append(kBlockBytes, " \n\ta=-"[random_() % 6]); }
    void mixed(std::string& text) {
        switch (random_() % 8) {
            case 0: code(text); break;
            case 1: ideographs(text); break;
            case 2: emoji(text); break;
            case 3: long_line(text); break;
            case 4: run(text); break;
            default: prose(text);
        }
    }

  private:
    template <typename Step>
    static void fill(std::string& text, Step step) {
        for (const size_t end = text.size() + kBlockBytes; text.size() < end;) step();
    }
    // About as often as its place in the list says (Zipf's law).
    const std::string& common(const std::vector<std::string>& list) {
        const double place = std::uniform_real_distribution<double>(
            0, std::log(static_cast<double>(list.size())))(random_);
        return list[static_cast<size_t>(std::exp(place)) - 1];
    }

    std::mt19937 random_{1};
    std::vector<std::string> words_;
    std::vector<std::string> ideographs_;
};

void report(benchmark::State& state, size_t bytes, size_t ids) {
    state.SetBytesProcessed(static_cast<int64_t>(bytes) * state.iterations());
    state.counters["bytes_per_id"] = static_cast<double>(bytes) / static_cast<double>(ids);
}

void encode_kind(benchmark::State& state, void (TextSource::*block)(std::string&)) {
    TextSource source;
    std::string text;
    while (text.size() < kTextBytes) (source.*block)(text);
    size_t ids = 0;
    for (auto _ : state) ids = tokenizer().encode(text, true).size();
    report(state, text.size(), ids);
}
BENCHMARK_CAPTURE(encode_kind, mixed, &TextSource::mixed)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_kind, prose, &TextSource::prose)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_kind, code, &TextSource::code)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_kind, ideographs, &TextSource::ideographs)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_kind, emoji, &TextSource::emoji)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_kind, long_line, &TextSource::long_line)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_kind, runs, &TextSource::run)->Unit(benchmark::kMillisecond);

void encode_one_letter(benchmark::State& state) {
    const std::string text(kTextBytes, 'a');
    size_t ids = 0;
    for (auto _ : state) ids = tokenizer().encode(text, true).size();
    report(state, text.size(), ids);
}
BENCHMARK(encode_one_letter)->Unit(benchmark::kMillisecond);

void decode_mixed(benchmark::State& state) {
    TextSource source;
    std::string text;
    while (text.size() < kTextBytes) source.mixed(text);
    const std::vector<int32_t> ids = tokenizer().encode(text, true);
    for (auto _ : state) benchmark::DoNotOptimize(tokenizer().decode(ids, true));
    report(state, text.size(), ids.size());
}
BENCHMARK(decode_mixed)->Unit(benchmark::kMillisecond);

void read_vocabulary(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(Vocabulary::from_gguf(file()).ok());
}
BENCHMARK(read_vocabulary)->Unit(benchmark::kMillisecond);

void build_tables(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(Tokenizer(vocabulary()).vocabulary().size());
}
BENCHMARK(build_tables)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace facet
