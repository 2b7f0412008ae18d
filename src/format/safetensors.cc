#include "format/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <unordered_map>
#include <utility>

#include "base/checked_math.h"
#include "base/json.h"
#include "format/quoted_name.h"

namespace facet {

namespace {

constexpr std::string_view kIndexName = "model.safetensors.index.json";
constexpr std::string_view kSingleName = "model.safetensors";
constexpr std::string_view kMetadataKey = "__metadata__";
constexpr size_t kIndexBytesMax = 100'000'000;

// Room for every tensor with a full shape, far below what 100 MB of zeros and commas would make.
constexpr JsonLimits kHeaderLimits = {.value_count_max = 1u << 20, .refuse_repeated_keys = true};

struct Dtype {
    std::string_view name;
    uint64_t element_bytes;
    std::optional<TensorType> type;
};

constexpr Dtype kDtypes[] = {
    {"F32", 4, TensorType::kF32}, {"F16", 2, TensorType::kF16}, {"BF16", 2, TensorType::kBF16},
    {"F64", 8, std::nullopt},     {"F8_E4M3", 1, std::nullopt}, {"F8_E5M2", 1, std::nullopt},
    {"I64", 8, std::nullopt},     {"I32", 4, std::nullopt},     {"I16", 2, std::nullopt},
    {"I8", 1, std::nullopt},      {"U64", 8, std::nullopt},     {"U32", 4, std::nullopt},
    {"U16", 2, std::nullopt},     {"U8", 1, std::nullopt},      {"BOOL", 1, std::nullopt},
};

// A member that counts or places something: an integer of zero or more.
std::optional<uint64_t> as_count(const Json& json) {
    const auto value = json.to_integer();
    if (!value.ok() || value.value() < 0) return std::nullopt;
    return static_cast<uint64_t>(value.value());
}

// Parses the header of one file.
class Parser {
  public:
    Parser(std::span<const uint8_t> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

    Result<std::vector<SafetensorsTensor>> parse() {
        const Json header = FACET_TRY(read_header());
        std::vector<SafetensorsTensor> tensors;
        for (const auto& [name, description] : header.members) {
            if (name == kMetadataKey) continue;
            if (tensors.size() >= kSafetensorsTensorCountMax) {
                return fail(fmt::format("more than {} tensors", kSafetensorsTensorCountMax));
            }
            where_ = fmt::format("tensor {}", quoted_name(name));
            tensors.push_back(FACET_TRY(read_tensor(name, description)));
        }
        where_.clear();
        FACET_TRY(check_overlap(tensors));
        return tensors;
    }

  private:
    Error fail(std::string_view what) const {
        if (where_.empty()) return invalid_input(fmt::format("{}: {}", name_, what));
        return invalid_input(fmt::format("{}: {}: {}", name_, where_, what));
    }

    // Also sets data_ to what follows the header.
    Result<Json> read_header() {
        uint64_t length = 0;
        if (bytes_.size() < sizeof length) return fail("too short to be a safetensors file");
        std::memcpy(&length, bytes_.data(), sizeof length);
        const auto rest = bytes_.subspan(sizeof length);
        if (length > kSafetensorsHeaderBytesMax) {
            return fail(
                fmt::format("not a safetensors file (it would have a header of {} bytes)", length));
        }
        if (length > rest.size()) {
            return fail(
                fmt::format("a header of {} bytes does not fit in the file of {} bytes; was it "
                            "downloaded completely?",
                            length, bytes_.size()));
        }
        data_ = rest.subspan(length);
        auto header =
            Json::parse({reinterpret_cast<const char*>(rest.data()), length}, kHeaderLimits);
        if (!header.ok()) return fail(fmt::format("its header: {}", header.error().message));
        if (!header.value().is_object()) return fail("its header is not a JSON object");
        return header;
    }

    Result<SafetensorsTensor> read_tensor(const std::string& name, const Json& description) {
        if (name.empty() || name.size() > kSafetensorsNameBytesMax) {
            return fail(fmt::format("its name must have 1 to {} bytes", kSafetensorsNameBytesMax));
        }
        const Json* dtype_name = description.find("dtype");
        const Json* shape = description.find("shape");
        const Json* offsets = description.find("data_offsets");
        if (dtype_name == nullptr || shape == nullptr || offsets == nullptr) {
            return fail("expected an object with dtype, shape and data_offsets");
        }
        const Dtype dtype = FACET_TRY(read_dtype(*dtype_name));
        SafetensorsTensor tensor;
        tensor.name = name;
        tensor.dtype = dtype.name;
        tensor.type = dtype.type;
        tensor.shape = FACET_TRY(read_shape(*shape));
        tensor.bytes = FACET_TRY(read_bytes(*offsets));
        std::optional<uint64_t> expected = dtype.element_bytes;
        for (size_t i = 0; i < tensor.shape.size() && expected; ++i) {
            expected = checked_multiply(*expected, tensor.shape[i]);
        }
        if (!expected || *expected != tensor.bytes.size()) {
            return fail(fmt::format("{} bytes in the file do not fit {} of shape [{}]",
                                    tensor.bytes.size(), dtype.name,
                                    fmt::join(tensor.shape, ", ")));
        }
        return tensor;
    }

    Result<Dtype> read_dtype(const Json& json) const {
        for (const Dtype& dtype : kDtypes) {
            if (json.is_string() && json.text == dtype.name) return dtype;
        }
        return fail(fmt::format("dtype {}, which Facet does not read", quoted_name(json.text)));
    }

    Result<std::vector<uint64_t>> read_shape(const Json& json) const {
        if (!json.is_array() || json.items.size() > kSafetensorsDimensionsMax) {
            return fail(fmt::format("its shape is not a list of up to {} dimensions",
                                    kSafetensorsDimensionsMax));
        }
        std::vector<uint64_t> shape;
        for (const Json& item : json.items) {
            const auto dimension = as_count(item);
            if (!dimension)
                return fail("its shape has a dimension that is not an integer of 0 or more");
            shape.push_back(*dimension);
        }
        return shape;
    }

    Result<std::span<const uint8_t>> read_bytes(const Json& json) const {
        const bool is_pair = json.is_array() && json.items.size() == 2;
        const auto begin = is_pair ? as_count(json.items[0]) : std::nullopt;
        const auto end = is_pair ? as_count(json.items[1]) : std::nullopt;
        if (!begin || !end || *begin > *end) return fail("its data_offsets are not [begin, end]");
        if (*end > data_.size()) {
            return fail(
                fmt::format("its data ends at byte {}, but the file holds {} bytes of data; was it "
                            "downloaded completely?",
                            *end, data_.size()));
        }
        return data_.subspan(*begin, *end - *begin);
    }

    Status check_overlap(const std::vector<SafetensorsTensor>& tensors) const {
        std::vector<const SafetensorsTensor*> order;
        for (const SafetensorsTensor& tensor : tensors) {
            if (!tensor.bytes.empty()) order.push_back(&tensor);
        }
        std::sort(order.begin(), order.end(),
                  [](const auto* a, const auto* b) { return a->bytes.data() < b->bytes.data(); });
        for (size_t i = 1; i < order.size(); ++i) {
            const auto before = order[i - 1]->bytes;
            if (before.data() + before.size() > order[i]->bytes.data()) {
                return fail(fmt::format("tensors {} and {} overlap in the file",
                                        quoted_name(order[i - 1]->name),
                                        quoted_name(order[i]->name)));
            }
        }
        return {};
    }

    std::span<const uint8_t> bytes_;
    std::span<const uint8_t> data_;
    const std::string& name_;
    std::string where_;  // the tensor in hand, for messages
};

// A shard's name joins the folder of its index; anything but a plain file name could leave that
// folder.
bool is_plain_file_name(std::string_view name) {
    return !name.empty() && name != "." && name != ".." && name.find('/') == name.npos &&
           name.find('\0') == name.npos;
}

// The weight_map of an index, tensor to shard.
Result<std::vector<std::pair<std::string, std::string>>> read_weight_map(const std::string& path) {
    const std::string text = FACET_TRY(read_text_file(path, kIndexBytesMax));
    const auto index = Json::parse(text, kHeaderLimits);
    if (!index.ok()) return invalid_input(fmt::format("{}: {}", path, index.error().message));
    const Json* map = index.value().find("weight_map");
    if (map == nullptr || !map->is_object() || map->members.empty()) {
        return invalid_input(
            fmt::format("{}: expected an object \"weight_map\" of tensors and their files", path));
    }
    std::vector<std::pair<std::string, std::string>> shards;
    for (const auto& [tensor, shard] : map->members) {
        if (!shard.is_string() || !is_plain_file_name(shard.text)) {
            return invalid_input(
                fmt::format("{}: tensor {}: {} is not the name of a file beside the index", path,
                            quoted_name(tensor), quoted_name(shard.text)));
        }
        shards.emplace_back(tensor, shard.text);
    }
    return shards;
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
    std::error_code ignored;
    const std::filesystem::path given(path);
    if (std::filesystem::is_directory(given, ignored)) {
        const std::filesystem::path index = given / kIndexName;
        if (std::filesystem::exists(index, ignored)) return open_index(index.string());
        return open((given / kSingleName).string());
    }
    if (path.ends_with(".index.json")) return open_index(path);
    SafetensorsFile file;
    FACET_TRY(file.append_file(path));
    return file;
}

Result<SafetensorsFile> SafetensorsFile::parse(std::span<const uint8_t> bytes,
                                               const std::string& name) {
    SafetensorsFile file;
    FACET_TRY(file.append_tensors(FACET_TRY(Parser(bytes, name).parse()), name));
    return file;
}

Result<SafetensorsFile> SafetensorsFile::open_index(const std::string& path) {
    const auto weight_map = FACET_TRY(read_weight_map(path));
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    SafetensorsFile file;
    std::unordered_map<std::string, std::pair<size_t, size_t>>
        shard_tensors;  // begin and end in tensors_
    for (const auto& [tensor, shard] : weight_map) {
        const auto [place, is_new] = shard_tensors.try_emplace(shard);
        if (is_new) {
            if (shard_tensors.size() > kSafetensorsShardCountMax) {
                return invalid_input(
                    fmt::format("{}: more than {} shards", path, kSafetensorsShardCountMax));
            }
            const size_t begin = file.tensors_.size();
            FACET_TRY(file.append_file((folder / shard).string()));
            place->second = {begin, file.tensors_.size()};
        }
        const auto found = file.index_.find(tensor);
        const auto [begin, end] = place->second;
        if (found == file.index_.end() || found->second < begin || found->second >= end) {
            return invalid_input(fmt::format("{}: tensor {} is not in {}, where the index puts it",
                                             path, quoted_name(tensor), quoted_name(shard)));
        }
    }
    return file;
}

Status SafetensorsFile::append_file(const std::string& path) {
    auto mapping = std::make_shared<MappedFile>(FACET_TRY(MappedFile::open(path)));
    FACET_TRY(append_tensors(FACET_TRY(Parser(mapping->bytes(), path).parse()), path));
    mappings_.push_back(std::move(mapping));
    return {};
}

Status SafetensorsFile::append_tensors(std::vector<SafetensorsTensor> tensors,
                                       const std::string& path) {
    for (SafetensorsTensor& tensor : tensors) {
        if (!index_.try_emplace(tensor.name, tensors_.size()).second) {
            return invalid_input(fmt::format("{}: tensor {} is in another shard already", path,
                                             quoted_name(tensor.name)));
        }
        tensors_.push_back(std::move(tensor));
    }
    return {};
}

const SafetensorsTensor* SafetensorsFile::find_tensor(std::string_view name) const {
    const auto place = index_.find(std::string(name));
    return place == index_.end() ? nullptr : &tensors_[place->second];
}

}  // namespace facet
