// libFuzzer target: a text as a JSON Schema, in JSON and as a tool's parameters, and a walk through
// what it allows.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/grammar_walk.h"
#include "grammar/json_schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const auto schema =
        facet::Json::parse(std::string_view(reinterpret_cast<const char*>(data), size));
    if (!schema.ok()) return 0;
    const auto seed = static_cast<uint32_t>(size);
    auto grammar = facet::compile_json_schema(schema.value());
    if (grammar.ok()) facet::fuzzing::walk(grammar.take(), seed);
    facet::SchemaOptions options;
    options.syntax = facet::OutputSyntax::Kind::kGemmaCall;
    options.quote_id = facet::fuzzing::kQuoteId;
    options.loose = true;
    auto call = facet::compile_json_schema(schema.value(), options);
    if (call.ok()) facet::fuzzing::walk(call.take(), seed);
    return 0;
}
