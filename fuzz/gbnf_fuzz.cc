// libFuzzer target: a text as GBNF, and a walk through what it allows.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/grammar_walk.h"
#include "grammar/gbnf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    auto grammar = facet::compile_gbnf(text);
    if (grammar.ok()) facet::fuzzing::walk(grammar.take(), static_cast<uint32_t>(size));
    return 0;
}
