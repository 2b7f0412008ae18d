#include "format/gguf.h"

#include <fmt/format.h>

#include <utility>

#include "base/checked_math.h"
#include "format/gguf_parser.h"
#include "format/quoted_name.h"

namespace facet {

namespace {

// Where a file stands in a split model; one that is not split is part 0 of 1.
struct SplitPlace {
    int64_t number = 0;
    int64_t count = 1;
};

Result<SplitPlace> split_place(const GgufFile& file) {
    SplitPlace place;
    place.count = FACET_TRY(file.integer("split.count")).value_or(1);
    if (place.count == 0) place.count = 1;
    place.number = FACET_TRY(file.integer("split.no")).value_or(0);
    if (place.count < 0 || place.count > int64_t{kGgufSplitCountMax} || place.number < 0 ||
        place.number >= place.count) {
        return invalid_input(
            fmt::format("{}: split.no {} and split.count {} do not fit together (limit {})",
                        file.path(), place.number, place.count, kGgufSplitCountMax));
    }
    return place;
}

// The end of the name of part `number` (counted from 0).
std::string split_suffix(int64_t number, int64_t count) {
    return fmt::format("-{:05}-of-{:05}.gguf", number + 1, count);
}

// The path of the model that `file`, a first part, opens: without its split suffix.
Result<std::string> split_prefix(const GgufFile& file, SplitPlace place) {
    const std::string suffix = split_suffix(place.number, place.count);
    const bool named_so = file.path().ends_with(suffix);
    const std::string prefix =
        named_so ? file.path().substr(0, file.path().size() - suffix.size()) : "";
    if (place.number != 0) {
        const std::string first =
            named_so ? prefix + split_suffix(0, place.count) : std::string("the first part");
        return invalid_input(fmt::format("{}: part {} of {} of a split model; open {} instead",
                                         file.path(), place.number + 1, place.count, first));
    }
    if (!named_so) {
        return invalid_input(fmt::format(
            "{}: the first of {} parts of a split model, so its name must end in {} for the "
            "others to be found",
            file.path(), place.count, suffix));
    }
    return prefix;
}

std::string described(const GgufValue& value) {
    const GgufArray* array = std::get_if<GgufArray>(&value.value);
    if (array == nullptr) return std::string(gguf_type_name(value.type));
    return fmt::format("array of {}", gguf_type_name(array->element_type));
}

Error wrong_type(const GgufFile& file, std::string_view key, const GgufValue& value,
                 std::string_view expected) {
    return invalid_input(fmt::format("{}: key {}: expected {}, found {}", file.path(),
                                     quoted_name(key), expected, described(value)));
}

}  // namespace

std::string_view gguf_type_name(GgufType type) {
    constexpr std::string_view kNames[] = {"uint8",  "int8",    "uint16", "int16",  "uint32",
                                           "int32",  "float32", "bool",   "string", "array",
                                           "uint64", "int64",   "float64"};
    return kNames[static_cast<size_t>(type)];
}

Result<uint64_t> gguf_tensor_bytes(TensorType type, std::span<const uint64_t> shape) {
    if (shape.empty() || shape.size() > kGgufDimensionsMax) {
        return invalid_input(
            fmt::format("{} dimensions, expected 1 to {}", shape.size(), kGgufDimensionsMax));
    }
    for (const uint64_t dimension : shape) {
        if (dimension == 0 || dimension > kGgufDimensionMax) {
            return invalid_input(
                fmt::format("a dimension of {}, expected 1 to {}", dimension, kGgufDimensionMax));
        }
    }
    const TensorTypeTraits& traits = traits_of(type);
    if (shape[0] % traits.block_elements != 0) {
        return invalid_input(
            fmt::format("a row of {} values is not a whole number of {} blocks of {}", shape[0],
                        traits.name, traits.block_elements));
    }
    std::optional<uint64_t> bytes = row_bytes(type, shape[0]);
    for (size_t i = 1; i < shape.size() && bytes; ++i) bytes = checked_multiply(*bytes, shape[i]);
    if (!bytes || *bytes > kGgufTensorBytesMax) {
        return invalid_input(
            fmt::format("a shape of [{}] is larger than any file", fmt::join(shape, ", ")));
    }
    return *bytes;
}

Result<GgufFile> GgufFile::open(const std::string& path) {
    GgufFile file = FACET_TRY(open_single(path));
    const SplitPlace place = FACET_TRY(split_place(file));
    if (place.count > 1) {
        const std::string prefix = FACET_TRY(split_prefix(file, place));
        FACET_TRY(file.append_parts(prefix, place.count));
    }
    return file;
}

Result<GgufFile> GgufFile::parse(std::span<const uint8_t> bytes, std::string name) {
    GgufFile file = FACET_TRY(parse_single(bytes, std::move(name)));
    if (FACET_TRY(split_place(file)).count > 1) {
        return unsupported(
            fmt::format("{}: one part of a split model; its parts are opened by path", file.path_));
    }
    return file;
}

Result<GgufFile> GgufFile::open_single(const std::string& path) {
    auto mapping = std::make_shared<MappedFile>(FACET_TRY(MappedFile::open(path)));
    GgufFile file = FACET_TRY(parse_single(mapping->bytes(), path));
    file.mappings_.push_back(std::move(mapping));
    return file;
}

Result<GgufFile> GgufFile::parse_single(std::span<const uint8_t> bytes, std::string name) {
    GgufTables tables = FACET_TRY(parse_gguf(bytes, name));
    GgufFile file;
    file.path_ = std::move(name);
    file.version_ = tables.version;
    file.file_bytes_ = bytes.size();
    file.metadata_ = std::move(tables.metadata);
    for (size_t i = 0; i < file.metadata_.size(); ++i) {
        const std::string& key = file.metadata_[i].first;
        if (!file.key_index_.try_emplace(key, i).second) {
            return invalid_input(
                fmt::format("{}: key {} appears twice", file.path_, quoted_name(key)));
        }
    }
    FACET_TRY(file.append_tensors(std::move(tables.tensors), file.path_));
    return file;
}

Status GgufFile::append_tensors(std::vector<TensorView> tensors, const std::string& path) {
    for (TensorView& tensor : tensors) {
        if (!tensor_index_.try_emplace(tensor.name, tensors_.size()).second) {
            return invalid_input(
                fmt::format("{}: tensor {} appears twice", path, quoted_name(tensor.name)));
        }
        tensors_.push_back(std::move(tensor));
    }
    return {};
}

// Opens parts 1 to count - 1 and adds their tensors to those of this, the first.
Status GgufFile::append_parts(const std::string& prefix, int64_t count) {
    for (int64_t number = 1; number < count; ++number) {
        GgufFile part = FACET_TRY(open_single(prefix + split_suffix(number, count)));
        const SplitPlace place = FACET_TRY(split_place(part));
        if (place.number != number || place.count != count) {
            return invalid_input(
                fmt::format("{}: says it is part {} of {} of a split model, expected part {} of {}",
                            part.path_, place.number + 1, place.count, number + 1, count));
        }
        FACET_TRY(append_tensors(std::move(part.tensors_), part.path_));
        file_bytes_ += part.file_bytes_;
        mappings_.push_back(std::move(part.mappings_.front()));
    }
    const auto expected = FACET_TRY(integer("split.tensors.count"));
    if (expected && *expected != static_cast<int64_t>(tensors_.size())) {
        return invalid_input(
            fmt::format("{}: the split model has {} tensors, expected {} (split.tensors.count)",
                        path_, tensors_.size(), *expected));
    }
    return {};
}

const GgufValue* GgufFile::find(std::string_view key) const {
    const auto place = key_index_.find(std::string(key));
    return place == key_index_.end() ? nullptr : &metadata_[place->second].second;
}

uint64_t GgufFile::tensor_bytes() const {
    uint64_t bytes = 0;
    for (const TensorView& tensor : tensors_) bytes += tensor.bytes.size();
    return bytes;
}

const TensorView* GgufFile::find_tensor(std::string_view name) const {
    const auto place = tensor_index_.find(std::string(name));
    return place == tensor_index_.end() ? nullptr : &tensors_[place->second];
}

Result<std::optional<int64_t>> GgufFile::integer(std::string_view key) const {
    const GgufValue* value = find(key);
    if (value == nullptr) return std::optional<int64_t>();
    const int64_t* integer = std::get_if<int64_t>(&value->value);
    if (integer == nullptr) return wrong_type(*this, key, *value, "an integer");
    return std::optional(*integer);
}

Result<std::optional<double>> GgufFile::number(std::string_view key) const {
    const GgufValue* value = find(key);
    if (value == nullptr) return std::optional<double>();
    if (const double* number = std::get_if<double>(&value->value)) return std::optional(*number);
    const int64_t* integer = std::get_if<int64_t>(&value->value);
    if (integer == nullptr) return wrong_type(*this, key, *value, "a number");
    return std::optional(static_cast<double>(*integer));
}

Result<std::optional<bool>> GgufFile::boolean(std::string_view key) const {
    const GgufValue* value = find(key);
    if (value == nullptr) return std::optional<bool>();
    const bool* boolean = std::get_if<bool>(&value->value);
    if (boolean == nullptr) return wrong_type(*this, key, *value, "a bool");
    return std::optional(*boolean);
}

Result<std::optional<std::string_view>> GgufFile::string(std::string_view key) const {
    const GgufValue* value = find(key);
    if (value == nullptr) return std::optional<std::string_view>();
    const std::string_view* string = std::get_if<std::string_view>(&value->value);
    if (string == nullptr) return wrong_type(*this, key, *value, "a string");
    return std::optional(*string);
}

Result<const std::vector<int64_t>*> GgufFile::integer_array(std::string_view key) const {
    const GgufValue* value = find(key);
    if (value == nullptr) return nullptr;
    const GgufArray* array = std::get_if<GgufArray>(&value->value);
    const bool holds_integers = array != nullptr && array->element_type != GgufType::kString &&
                                array->element_type != GgufType::kFloat32 &&
                                array->element_type != GgufType::kFloat64;
    if (!holds_integers) return wrong_type(*this, key, *value, "an array of integers");
    return &array->integers;
}

Result<const std::vector<std::string_view>*> GgufFile::string_array(std::string_view key) const {
    const GgufValue* value = find(key);
    if (value == nullptr) return nullptr;
    const GgufArray* array = std::get_if<GgufArray>(&value->value);
    if (array == nullptr || array->element_type != GgufType::kString) {
        return wrong_type(*this, key, *value, "an array of strings");
    }
    return &array->strings;
}

}  // namespace facet
