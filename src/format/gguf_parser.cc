#include "format/gguf_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <string_view>

#include "base/checked_math.h"
#include "format/quoted_name.h"

namespace facet {

namespace {

constexpr uint64_t kDefaultAlignment = 32;

// The fewest bytes that one entry can take in the file; bounds what a claimed count may make us
// allocate.
constexpr uint64_t kKeyBytesMin = 8 + 1 + 4 + 1;  // name length, name, type, value
constexpr uint64_t kTensorBytesMin =
    8 + 1 + 4 + 8 + 4 + 8;  // name length, name, rank, one dimension, type, offset

// Reads forward over the bytes; what does not fit is nothing, and the position then stays.
class Cursor {
  public:
    explicit Cursor(std::span<const uint8_t> bytes) : bytes_(bytes) {}

    uint64_t position() const { return position_; }
    uint64_t remaining() const { return bytes_.size() - position_; }

    std::optional<std::span<const uint8_t>> take(uint64_t count) {
        if (count > remaining()) return std::nullopt;
        const auto taken = bytes_.subspan(position_, count);
        position_ += count;
        return taken;
    }

    template <typename T>
    std::optional<T> take_number() {
        const auto taken = take(sizeof(T));
        if (!taken) return std::nullopt;
        T value;
        std::memcpy(&value, taken->data(), sizeof(T));
        return value;
    }

  private:
    std::span<const uint8_t> bytes_;
    uint64_t position_ = 0;
};

// What a file that is not GGUF probably is, from its first bytes; empty if we cannot tell.
std::string_view guess_format(std::string_view start) {
    struct Signature {
        std::string_view bytes;
        size_t position;
        std::string_view format;
    };
    constexpr Signature kSignatures[] = {
        {"\x89PNG", 0, "a PNG picture"},
        {"\xff\xd8\xff", 0, "a JPEG picture"},
        {"PK\x03\x04", 0, "a ZIP archive or a PyTorch checkpoint"},
        {"\x1f\x8b", 0, "a gzip archive"},
        {"version https://git-lfs", 0, "a Git LFS pointer, not the file it stands for"},
        {"<!DOCTYPE", 0, "an HTML page"},
        {"<!doctype", 0, "an HTML page"},
        {"<html", 0, "an HTML page"},
        {"ggjt", 0, "a GGML model from before GGUF"},
        {"tjgg", 0, "a GGML model from before GGUF"},
        {"lmgg", 0, "a GGML model from before GGUF"},
        {"{", 8, "a safetensors file"},
        {"{", 0, "JSON text"},
    };
    for (const Signature& signature : kSignatures) {
        if (start.substr(std::min(signature.position, start.size())).starts_with(signature.bytes)) {
            return signature.format;
        }
    }
    return {};
}

// Names of ids that exist in GGUF files but that Facet does not read, for the message.
std::string_view unsupported_type_name(uint32_t id) {
    switch (id) {
        case 9: return "Q8_1";
        case 15: return "Q8_K";
        case 16: return "IQ2_XXS";
        case 17: return "IQ2_XS";
        case 18: return "IQ3_XXS";
        case 19: return "IQ1_S";
        case 21: return "IQ3_S";
        case 22: return "IQ2_S";
        case 24: return "I8";
        case 25: return "I16";
        case 26: return "I32";
        case 27: return "I64";
        case 28: return "F64";
        case 29: return "IQ1_M";
        case 34: return "TQ1_0";
        case 35: return "TQ2_0";
        case 40: return "NVFP4";
        default: return "unknown";
    }
}

class Parser {
  public:
    Parser(std::span<const uint8_t> bytes, const std::string& name)
        : bytes_(bytes), cursor_(bytes), name_(name) {}

    Result<GgufTables> parse() {
        FACET_TRY(read_header());
        FACET_TRY(read_metadata());
        FACET_TRY(read_tensor_table());
        FACET_TRY(place_tensors());
        FACET_TRY(check_overlap());
        return std::move(tables_);
    }

  private:
    Error fail(std::string_view what) const {
        if (where_.empty()) return invalid_input(fmt::format("{}: {}", name_, what));
        return invalid_input(fmt::format("{}: {}: {}", name_, where_, what));
    }

    Error cut_short() const {
        return fail(fmt::format(
            "the file ends too early, at byte {}; was it downloaded completely?", bytes_.size()));
    }

    template <typename T>
    Result<T> number() {
        const auto value = cursor_.take_number<T>();
        if (!value) return cut_short();
        return *value;
    }

    Result<std::string_view> text(uint64_t bytes_max) {
        const uint64_t length = FACET_TRY(number<uint64_t>());
        if (length > bytes_max) {
            return fail(
                fmt::format("a text of {} bytes, above the limit of {}", length, bytes_max));
        }
        const auto taken = cursor_.take(length);
        if (!taken) return cut_short();
        return std::string_view(reinterpret_cast<const char*>(taken->data()), taken->size());
    }

    Result<std::string_view> entry_name() {
        const std::string_view name = FACET_TRY(text(kGgufNameBytesMax));
        if (name.empty()) return fail("its name is empty");
        return name;
    }

    // A count of entries of at least `entry_bytes` each.
    Result<uint64_t> entry_count(std::string_view what, uint64_t limit, uint64_t entry_bytes) {
        const uint64_t count = FACET_TRY(number<uint64_t>());
        if (count > limit) {
            return fail(fmt::format("{} {}, above the limit of {}", count, what, limit));
        }
        if (count * entry_bytes > cursor_.remaining()) {
            return fail(
                fmt::format("{} {} cannot fit in the {} bytes that follow; was the file "
                            "downloaded completely?",
                            count, what, cursor_.remaining()));
        }
        return count;
    }

    Status read_header();
    Status read_metadata();
    Result<GgufValue> read_value(GgufType type);
    Result<GgufArray> read_array();
    Result<GgufArray> read_elements(GgufType type, uint64_t count);
    template <typename T>
    Status read_integers(uint64_t count, std::vector<int64_t>& out);
    template <typename T>
    Status read_floats(uint64_t count, std::vector<double>& out);
    Result<GgufType> read_value_type();
    Status read_tensor_table();
    Result<std::vector<uint64_t>> read_shape();
    Result<TensorType> read_tensor_type();
    Result<uint64_t> alignment() const;
    Status place_tensors();
    Status check_overlap();

    std::span<const uint8_t> bytes_;
    Cursor cursor_;
    const std::string& name_;
    std::string where_;  // the key or tensor in hand, for messages
    uint64_t key_count_ = 0;
    uint64_t tensor_count_ = 0;
    GgufTables tables_;
    std::vector<uint64_t> offsets_;  // of each tensor, from the start of the data
};

Status Parser::read_header() {
    const std::string_view start(reinterpret_cast<const char*>(bytes_.data()),
                                 std::min<size_t>(bytes_.size(), 64));
    if (!start.starts_with("GGUF")) {
        const std::string_view guess = guess_format(start);
        if (guess.empty()) return fail("not a GGUF file (it does not start with \"GGUF\")");
        return fail(fmt::format("not a GGUF file; it looks like {}", guess));
    }
    cursor_.take(4);
    tables_.version = FACET_TRY(number<uint32_t>());
    if (tables_.version != 0 && (tables_.version & 0xffffu) == 0) {
        return fail("a big-endian GGUF file; only little-endian files can be read");
    }
    if (tables_.version != 2 && tables_.version != 3) {
        return fail(fmt::format("GGUF version {}; versions 2 and 3 can be read", tables_.version));
    }
    tensor_count_ = FACET_TRY(entry_count("tensors", kGgufTensorCountMax, kTensorBytesMin));
    key_count_ = FACET_TRY(entry_count("keys", kGgufKeyCountMax, kKeyBytesMin));
    return {};
}

Status Parser::read_metadata() {
    tables_.metadata.reserve(key_count_);
    for (uint64_t i = 0; i < key_count_; ++i) {
        where_ = fmt::format("key {} of {}", i + 1, key_count_);
        const std::string_view key = FACET_TRY(entry_name());
        where_ = fmt::format("key {}", quoted_name(key));
        const GgufType type = FACET_TRY(read_value_type());
        tables_.metadata.emplace_back(key, FACET_TRY(read_value(type)));
    }
    where_.clear();
    return {};
}

Result<GgufType> Parser::read_value_type() {
    const uint32_t id = FACET_TRY(number<uint32_t>());
    if (id > static_cast<uint32_t>(GgufType::kFloat64)) {
        return fail(fmt::format("unknown value type {}", id));
    }
    return static_cast<GgufType>(id);
}

Result<GgufValue> Parser::read_value(GgufType type) {
    if (type == GgufType::kArray) return GgufValue{type, FACET_TRY(read_array())};
    const GgufArray single = FACET_TRY(read_elements(type, 1));
    if (type == GgufType::kString) return GgufValue{type, single.strings[0]};
    if (type == GgufType::kBool) return GgufValue{type, single.integers[0] != 0};
    if (!single.floats.empty()) return GgufValue{type, single.floats[0]};
    return GgufValue{type, single.integers[0]};
}

Result<GgufArray> Parser::read_array() {
    const GgufType type = FACET_TRY(read_value_type());
    if (type == GgufType::kArray) return fail("an array of arrays, which Facet does not read");
    const uint64_t element_bytes_min = type == GgufType::kString ? sizeof(uint64_t) : 1;
    const uint64_t count =
        FACET_TRY(entry_count("elements", kGgufArrayCountMax, element_bytes_min));
    return read_elements(type, count);
}

Result<GgufArray> Parser::read_elements(GgufType type, uint64_t count) {
    GgufArray array;
    array.element_type = type;
    switch (type) {
        case GgufType::kUint8: FACET_TRY(read_integers<uint8_t>(count, array.integers)); break;
        case GgufType::kInt8: FACET_TRY(read_integers<int8_t>(count, array.integers)); break;
        case GgufType::kUint16: FACET_TRY(read_integers<uint16_t>(count, array.integers)); break;
        case GgufType::kInt16: FACET_TRY(read_integers<int16_t>(count, array.integers)); break;
        case GgufType::kUint32: FACET_TRY(read_integers<uint32_t>(count, array.integers)); break;
        case GgufType::kInt32: FACET_TRY(read_integers<int32_t>(count, array.integers)); break;
        case GgufType::kUint64: FACET_TRY(read_integers<uint64_t>(count, array.integers)); break;
        case GgufType::kInt64: FACET_TRY(read_integers<int64_t>(count, array.integers)); break;
        case GgufType::kFloat32: FACET_TRY(read_floats<float>(count, array.floats)); break;
        case GgufType::kFloat64: FACET_TRY(read_floats<double>(count, array.floats)); break;
        case GgufType::kBool:
            FACET_TRY(read_integers<uint8_t>(count, array.integers));
            for (const int64_t value : array.integers) {
                if (value > 1) return fail(fmt::format("a bool of {}, expected 0 or 1", value));
            }
            break;
        case GgufType::kString:
            array.strings.reserve(count);
            for (uint64_t i = 0; i < count; ++i) {
                array.strings.push_back(FACET_TRY(text(kGgufStringBytesMax)));
            }
            break;
        case GgufType::kArray: return fail("an array where a single value is expected");
    }
    return array;
}

template <typename T>
Status Parser::read_integers(uint64_t count, std::vector<int64_t>& out) {
    const auto taken = cursor_.take(count * sizeof(T));
    if (!taken) return cut_short();
    out.resize(count);
    for (uint64_t i = 0; i < count; ++i) {
        T value;
        std::memcpy(&value, taken->data() + i * sizeof(T), sizeof(T));
        if constexpr (std::is_same_v<T, uint64_t>) {
            if (value > uint64_t{std::numeric_limits<int64_t>::max()}) {
                return fail(fmt::format("the number {} is above 2^63 - 1", value));
            }
        }
        out[i] = static_cast<int64_t>(value);
    }
    return {};
}

template <typename T>
Status Parser::read_floats(uint64_t count, std::vector<double>& out) {
    const auto taken = cursor_.take(count * sizeof(T));
    if (!taken) return cut_short();
    out.resize(count);
    for (uint64_t i = 0; i < count; ++i) {
        T value;
        std::memcpy(&value, taken->data() + i * sizeof(T), sizeof(T));
        out[i] = value;
    }
    return {};
}

Status Parser::read_tensor_table() {
    tables_.tensors.reserve(tensor_count_);
    offsets_.reserve(tensor_count_);
    for (uint64_t i = 0; i < tensor_count_; ++i) {
        where_ = fmt::format("tensor {} of {}", i + 1, tensor_count_);
        TensorView tensor;
        tensor.name = FACET_TRY(entry_name());
        where_ = fmt::format("tensor {}", quoted_name(tensor.name));
        tensor.shape = FACET_TRY(read_shape());
        tensor.type = FACET_TRY(read_tensor_type());
        offsets_.push_back(FACET_TRY(number<uint64_t>()));
        tables_.tensors.push_back(std::move(tensor));
    }
    where_.clear();
    return {};
}

Result<std::vector<uint64_t>> Parser::read_shape() {
    const uint32_t rank = FACET_TRY(number<uint32_t>());
    if (rank > kGgufDimensionsMax) {
        return fail(fmt::format("{} dimensions, expected 1 to {}", rank, kGgufDimensionsMax));
    }
    std::vector<uint64_t> shape(rank);
    for (uint64_t& dimension : shape) dimension = FACET_TRY(number<uint64_t>());
    return shape;
}

Result<TensorType> Parser::read_tensor_type() {
    const uint32_t id = FACET_TRY(number<uint32_t>());
    const auto type = tensor_type_of_gguf_id(id);
    if (!type) {
        Error error = fail(
            fmt::format("type {} ({}), which Facet does not read", id, unsupported_type_name(id)));
        error.kind = ErrorKind::kUnsupported;
        return error;
    }
    return *type;
}

Result<uint64_t> Parser::alignment() const {
    for (const auto& [key, value] : tables_.metadata) {
        if (key != "general.alignment") continue;
        const int64_t* number = std::get_if<int64_t>(&value.value);
        const bool valid = number != nullptr && *number > 0 && (*number & (*number - 1)) == 0 &&
                           static_cast<uint64_t>(*number) <= kGgufAlignmentMax;
        if (!valid) {
            return fail(fmt::format("key \"general.alignment\": expected a power of two up to {}",
                                    kGgufAlignmentMax));
        }
        return static_cast<uint64_t>(*number);
    }
    return kDefaultAlignment;
}

// Points every tensor at its bytes. The data section starts at the first aligned byte after the
// table.
Status Parser::place_tensors() {
    const uint64_t alignment = FACET_TRY(this->alignment());
    const auto data_start = checked_align(cursor_.position(), alignment);
    if (!data_start) return cut_short();
    for (size_t i = 0; i < tables_.tensors.size(); ++i) {
        TensorView& tensor = tables_.tensors[i];
        where_ = fmt::format("tensor {}", quoted_name(tensor.name));
        const auto checked_size = gguf_tensor_bytes(tensor.type, tensor.shape);
        if (!checked_size.ok()) return fail(checked_size.error().message);
        const uint64_t size = checked_size.value();
        if (offsets_[i] % alignment != 0) {
            return fail(
                fmt::format("its offset {} is not a multiple of {}", offsets_[i], alignment));
        }
        const auto start = checked_add(*data_start, offsets_[i]);
        const auto end = start ? checked_add(*start, size) : std::nullopt;
        if (!end || *end > bytes_.size()) {
            return fail(
                fmt::format("its {} bytes at offset {} of the data do not lie inside the "
                            "file of {} bytes; was it downloaded completely?",
                            size, offsets_[i], bytes_.size()));
        }
        tensor.bytes = bytes_.subspan(*start, size);
    }
    where_.clear();
    return {};
}

Status Parser::check_overlap() {
    std::vector<size_t> order(tables_.tensors.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return offsets_[a] < offsets_[b]; });
    for (size_t i = 1; i < order.size(); ++i) {
        const TensorView& before = tables_.tensors[order[i - 1]];
        const TensorView& after = tables_.tensors[order[i]];
        if (before.bytes.data() + before.bytes.size() > after.bytes.data()) {
            return fail(fmt::format("tensors {} and {} overlap in the file",
                                    quoted_name(before.name), quoted_name(after.name)));
        }
    }
    return {};
}

}  // namespace

Result<GgufTables> parse_gguf(std::span<const uint8_t> bytes, const std::string& name) {
    return Parser(bytes, name).parse();
}

}  // namespace facet
