// One GGUF file's bytes to metadata and tensor table: everything that gguf.h promises about a
// single file but the uniqueness of names, which the index built over the tables gives.
//
// Internal to the room. Must not know: paths, mappings, split models.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "format/gguf.h"

namespace facet {

struct GgufTables {
    uint32_t version = 0;
    std::vector<std::pair<std::string, GgufValue>>
        metadata;  // in file order; strings are views into the bytes
    std::vector<TensorView> tensors;
};

// `name` opens every error message.
Result<GgufTables> parse_gguf(std::span<const uint8_t> bytes, const std::string& name);

}  // namespace facet
