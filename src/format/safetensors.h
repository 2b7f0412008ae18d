// Reads safetensors files, one or a sharded set, over mappings: the header parsed and checked, the
// tensors' bytes left in place.
//
// Hostile until checked, as in gguf.h. After open() a caller may trust: every tensor's bytes lie
// inside a mapping, fit its shape and dtype, and overlap no other's; names are unique over all
// shards. Must not know: what any tensor means. Source: huggingface/safetensors README.md, section
// Format; the index file as huggingface/transformers writes it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "format/tensor_type.h"

namespace facet {

// Limits of what we accept; the first is the format's own.
inline constexpr uint64_t kSafetensorsHeaderBytesMax = 100'000'000;
inline constexpr uint64_t kSafetensorsTensorCountMax = 1u << 16;
inline constexpr uint64_t kSafetensorsNameBytesMax = 1u << 10;
inline constexpr uint64_t kSafetensorsDimensionsMax = 8;
inline constexpr uint64_t kSafetensorsShardCountMax = 1000;

struct SafetensorsTensor {
    std::string name;
    std::string_view dtype;          // as the format writes it: "BF16", "I64", ...
    std::optional<TensorType> type;  // the same as a type that Facet decodes: F32, F16 and BF16
    std::vector<uint64_t>
        shape;  // file order, the slowest dimension first; empty for a single value
    std::span<const uint8_t> bytes;  // at any alignment; empty if a dimension is zero
};

class SafetensorsFile {
  public:
    // Opens a .safetensors file; or all shards that an index names, given the index
    // (model.safetensors.index.json) or a folder that holds it; or the model.safetensors of a
    // folder without an index. Errors: one sentence each, naming file, tensor, what was expected
    // and what was found.
    static Result<SafetensorsFile> open(const std::string& path);
    // Parses one file's bytes that somebody else keeps alive (tests, fuzzing). `name` stands in
    // messages.
    static Result<SafetensorsFile> parse(std::span<const uint8_t> bytes, const std::string& name);

    // In the order of the headers, shard after shard.
    const std::vector<SafetensorsTensor>& tensors() const { return tensors_; }
    const SafetensorsTensor* find_tensor(std::string_view name) const;

  private:
    static Result<SafetensorsFile> open_index(const std::string& path);
    Status append_file(const std::string& path);
    Status append_tensors(std::vector<SafetensorsTensor> tensors, const std::string& path);

    std::vector<std::shared_ptr<MappedFile>> mappings_;
    std::vector<SafetensorsTensor> tensors_;
    std::unordered_map<std::string, size_t> index_;
};

}  // namespace facet
