// Vocabularies for tests: Gemma 4's real one, and the demo model's subset with other ids. Read once
// a program.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "base/check.h"
#include "base/json.h"
#include "format/gguf.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace facet::test {

inline std::string data_path(const std::string& name) {
    return FACET_SOURCE_DIR "/tests/data/" + name;
}

inline GgufFile open_gguf(const std::string& name) {
    auto file = GgufFile::open(data_path(name));
    FACET_CHECK(file.ok());
    return file.take();
}

inline Vocabulary read_vocabulary(const std::string& name) {
    auto vocabulary = Vocabulary::from_gguf(open_gguf(name));
    FACET_CHECK(vocabulary.ok());
    return vocabulary.take();
}

inline const Vocabulary& real_vocabulary() {
    static const Vocabulary vocabulary = read_vocabulary("gemma4-vocab.gguf");
    return vocabulary;
}

inline const Vocabulary& demo_vocabulary() {
    static const Vocabulary vocabulary = read_vocabulary("demo-vocab.gguf");
    return vocabulary;
}

inline const Tokenizer& real_tokenizer() {
    static const Tokenizer tokenizer(real_vocabulary());
    return tokenizer;
}

inline const Tokenizer& demo_tokenizer() {
    static const Tokenizer tokenizer(demo_vocabulary());
    return tokenizer;
}

inline Json read_json(const std::string& name) {
    std::ifstream file(data_path(name), std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    auto json = Json::parse(text.str());
    FACET_CHECK(json.ok());
    return json.take();
}

// A JSON list of ids.
inline std::vector<int32_t> ids_of(const Json& list) {
    std::vector<int32_t> ids;
    for (const Json& item : list.items)
        ids.push_back(static_cast<int32_t>(item.to_integer().value()));
    return ids;
}

}  // namespace facet::test
