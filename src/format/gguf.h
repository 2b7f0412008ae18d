// Reads GGUF v2 and v3 files over a mapping: metadata and tensor table parsed and checked, tensor
// bytes left in place.
//
// Everything the file says is hostile until checked here: counts and lengths have named limits,
// sums are checked for overflow, offsets must lie inside the file, names must be unique. After
// open() a caller may trust: every tensor's bytes lie inside the mapping, its size fits its shape,
// its row is a whole number of blocks. Must not know: what any key or tensor means. Source:
// ggml-org/ggml docs/gguf.md (format description).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "format/tensor.h"

namespace facet {

// Limits of what we accept from a file; all far above anything published.
inline constexpr uint64_t kGgufKeyCountMax = 1u << 16;
inline constexpr uint64_t kGgufTensorCountMax = 1u << 16;
inline constexpr uint64_t kGgufNameBytesMax = 1u << 10;     // a key or tensor name
inline constexpr uint64_t kGgufStringBytesMax = 16u << 20;  // a string value
inline constexpr uint64_t kGgufArrayCountMax = 16u << 20;   // elements of one array
inline constexpr uint32_t kGgufDimensionsMax = 4;
inline constexpr uint64_t kGgufDimensionMax = uint64_t{1} << 40;
inline constexpr uint64_t kGgufTensorBytesMax = uint64_t{1} << 47;  // no sum of sizes overflows
inline constexpr uint64_t kGgufAlignmentMax = 1u << 20;
inline constexpr uint32_t kGgufSplitCountMax = 1000;

enum class GgufType : uint32_t {
    kUint8 = 0,
    kInt8,
    kUint16,
    kInt16,
    kUint32,
    kInt32,
    kFloat32,
    kBool,
    kString,
    kArray,
    kUint64,
    kInt64,
    kFloat64,
};

// "uint8", "float32", "string", ...
std::string_view gguf_type_name(GgufType type);

// A metadata value. Strings are views into the mapping. All integers widen to int64 (a uint64 above
// 2^63 - 1 is refused), floats to double; `type` says what the file had. Arrays of arrays are
// refused.
struct GgufArray {
    GgufType element_type = GgufType::kUint8;
    std::vector<int64_t> integers;  // integers and bools
    std::vector<double> floats;     // float32, float64
    std::vector<std::string_view> strings;
    size_t size() const { return integers.size() + floats.size() + strings.size(); }
};

struct GgufValue {
    GgufType type = GgufType::kUint8;
    std::variant<int64_t, double, bool, std::string_view, GgufArray> value;
};

// Bytes of a tensor of that type and shape. Errors, without file and tensor name: more or fewer
// dimensions than the format has, one of zero or above kGgufDimensionMax, a row that is no whole
// number of blocks, more than kGgufTensorBytesMax.
Result<uint64_t> gguf_tensor_bytes(TensorType type, std::span<const uint64_t> shape);

class GgufFile {
  public:
    // Opens one file, or all files of a split model when `path` is named ...-00001-of-0000N.gguf
    // (the first): their tensors form one table and the first file's metadata counts. Errors: one
    // sentence each, naming file, key or tensor, what was expected and what was found.
    static Result<GgufFile> open(const std::string& path);
    // Parses bytes that somebody else keeps alive (tests, fuzzing). `name` stands in messages. A
    // part of a split model is refused: its other parts are found by path only.
    static Result<GgufFile> parse(std::span<const uint8_t> bytes, std::string name);

    const std::string& path() const { return path_; }
    uint32_t version() const { return version_; }
    uint64_t file_bytes() const { return file_bytes_; }  // of all files together
    uint64_t tensor_bytes() const;                       // of all tensors, without padding

    // Metadata in file order.
    const std::vector<std::pair<std::string, GgufValue>>& metadata() const { return metadata_; }
    const GgufValue* find(std::string_view key) const;

    // Typed access. Missing key: nothing. Present with another type, or out of range: an error
    // naming file and key.
    Result<std::optional<int64_t>> integer(std::string_view key) const;
    Result<std::optional<double>> number(std::string_view key) const;  // float or integer
    Result<std::optional<bool>> boolean(std::string_view key) const;
    Result<std::optional<std::string_view>> string(std::string_view key) const;
    // The array, or null if the key is missing. Errors: present but no array of that kind.
    Result<const std::vector<int64_t>*> integer_array(
        std::string_view key) const;  // integers or bools
    Result<const std::vector<std::string_view>*> string_array(std::string_view key) const;

    // The files that hold the tensors' bytes; none after parse().
    const std::vector<std::shared_ptr<const MappedFile>>& mappings() const { return mappings_; }
    const std::vector<TensorView>& tensors() const { return tensors_; }
    const TensorView* find_tensor(std::string_view name) const;

  private:
    static Result<GgufFile> parse_single(std::span<const uint8_t> bytes, std::string name);
    static Result<GgufFile> open_single(const std::string& path);
    Status append_tensors(std::vector<TensorView> tensors, const std::string& path);
    Status append_parts(const std::string& prefix, int64_t count);

    std::string path_;
    uint32_t version_ = 0;
    uint64_t file_bytes_ = 0;
    std::vector<std::shared_ptr<const MappedFile>> mappings_;
    std::vector<std::pair<std::string, GgufValue>> metadata_;
    std::unordered_map<std::string, size_t> key_index_;
    std::vector<TensorView> tensors_;
    std::unordered_map<std::string, size_t> tensor_index_;
};

}  // namespace facet
