#include "format/gguf_writer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>

#include "base/check.h"
#include "format/quoted_name.h"

namespace facet {

namespace {

constexpr uint64_t kAlignment = 32;
constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint32_t kVersion = 3;
constexpr std::string_view kAlignmentKey = "general.alignment";

uint64_t aligned(uint64_t position) {
    return (position + kAlignment - 1) / kAlignment * kAlignment;
}

template <typename T>
void append(std::string& out, T value) {
    static_assert(std::is_arithmetic_v<T>);
    out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void append_text(std::string& out, std::string_view text) {
    append<uint64_t>(out, text.size());
    out.append(text);
}

template <typename T>
void append_integers(std::string& out, const std::vector<int64_t>& values) {
    for (const int64_t value : values) {
        FACET_CHECK(std::in_range<T>(value));
        append(out, static_cast<T>(value));
    }
}

// Elements without type and count.
void append_elements(std::string& out, GgufType type, const GgufArray& array) {
    switch (type) {
        case GgufType::kUint8: return append_integers<uint8_t>(out, array.integers);
        case GgufType::kInt8: return append_integers<int8_t>(out, array.integers);
        case GgufType::kUint16: return append_integers<uint16_t>(out, array.integers);
        case GgufType::kInt16: return append_integers<int16_t>(out, array.integers);
        case GgufType::kUint32: return append_integers<uint32_t>(out, array.integers);
        case GgufType::kInt32: return append_integers<int32_t>(out, array.integers);
        case GgufType::kUint64: return append_integers<uint64_t>(out, array.integers);
        case GgufType::kInt64: return append_integers<int64_t>(out, array.integers);
        case GgufType::kBool:
            for (const int64_t value : array.integers) append<uint8_t>(out, value != 0 ? 1 : 0);
            return;
        case GgufType::kFloat32:
            for (const double value : array.floats) append(out, static_cast<float>(value));
            return;
        case GgufType::kFloat64:
            for (const double value : array.floats) append(out, value);
            return;
        case GgufType::kString:
            for (const std::string_view text : array.strings) append_text(out, text);
            return;
        case GgufType::kArray: FACET_CHECK(false && "arrays of arrays do not exist");
    }
}

// A single value as an array of one, so that both are encoded by the same code.
GgufArray as_array(const GgufValue& value) {
    GgufArray array;
    array.element_type = value.type;
    if (const auto* integer = std::get_if<int64_t>(&value.value)) array.integers = {*integer};
    if (const auto* boolean = std::get_if<bool>(&value.value)) array.integers = {*boolean};
    if (const auto* number = std::get_if<double>(&value.value)) array.floats = {*number};
    if (const auto* text = std::get_if<std::string_view>(&value.value)) array.strings = {*text};
    return array;
}

// Whether the vector that is filled is the one that the type uses.
bool fits_type(GgufType type, const GgufArray& array) {
    switch (type) {
        case GgufType::kString: return array.size() == array.strings.size();
        case GgufType::kFloat32:
        case GgufType::kFloat64: return array.size() == array.floats.size();
        case GgufType::kArray: return false;
        default: return array.size() == array.integers.size();
    }
}

// A file that exists under its final name only once it is whole.
class OutputFile {
  public:
    static Result<OutputFile> create(const std::string& path) {
        OutputFile file;
        file.path_ = path;
        file.temporary_path_ = fmt::format("{}.{}.partial", path, ::getpid());
        file.stream_.reset(std::fopen(file.temporary_path_.c_str(), "wbe"));
        if (file.stream_ == nullptr) return file.system_error("create");
        return file;
    }

    OutputFile(OutputFile&&) = default;
    OutputFile& operator=(OutputFile&&) = delete;
    ~OutputFile() {
        if (stream_ != nullptr) std::remove(temporary_path_.c_str());
    }

    Status append(std::span<const uint8_t> bytes) {
        if (std::fwrite(bytes.data(), 1, bytes.size(), stream_.get()) != bytes.size()) {
            return system_error("write");
        }
        position_ += bytes.size();
        return {};
    }

    Status pad() {
        constexpr uint8_t kZeros[kAlignment] = {};
        return append({kZeros, aligned(position_) - position_});
    }

    // The bytes reach the disk before the name does, so that a power failure leaves no half file
    // either.
    Status commit() {
        if (std::fflush(stream_.get()) != 0 || ::fsync(::fileno(stream_.get())) != 0) {
            return system_error("write");
        }
        if (std::rename(temporary_path_.c_str(), path_.c_str()) != 0) return system_error("create");
        stream_.reset();
        return {};
    }

  private:
    struct Closer {
        void operator()(std::FILE* stream) const { std::fclose(stream); }
    };

    OutputFile() = default;

    Error system_error(std::string_view action) const {
        return {ErrorKind::kIo,
                fmt::format("{}: cannot {}: {}", path_, action, std::strerror(errno))};
    }

    std::string path_;
    std::string temporary_path_;
    std::unique_ptr<std::FILE, Closer> stream_;
    uint64_t position_ = 0;
};

}  // namespace

Status GgufWriter::set(std::string_view key, const GgufValue& value) {
    if (key == kAlignmentKey) return {};
    if (key.empty() || key.size() > kGgufNameBytesMax) {
        return invalid_input(fmt::format("key {}: its name must have 1 to {} bytes",
                                         quoted_name(key), kGgufNameBytesMax));
    }
    const GgufArray* given_array = std::get_if<GgufArray>(&value.value);
    FACET_CHECK((given_array != nullptr) == (value.type == GgufType::kArray));
    const GgufArray array = given_array != nullptr ? *given_array : as_array(value);
    FACET_CHECK(fits_type(array.element_type, array));
    if (array.size() > kGgufArrayCountMax) {
        return invalid_input(fmt::format("key {}: {} elements, above the limit of {}",
                                         quoted_name(key), array.size(), kGgufArrayCountMax));
    }
    for (const std::string_view text : array.strings) {
        if (text.size() > kGgufStringBytesMax) {
            return invalid_input(fmt::format("key {}: a text of {} bytes, above the limit of {}",
                                             quoted_name(key), text.size(), kGgufStringBytesMax));
        }
    }

    std::string encoded;
    append(encoded, static_cast<uint32_t>(value.type));
    if (given_array != nullptr) {
        append(encoded, static_cast<uint32_t>(array.element_type));
        append<uint64_t>(encoded, array.size());
    }
    append_elements(encoded, array.element_type, array);

    const auto [place, is_new] = key_index_.try_emplace(std::string(key), metadata_.size());
    if (is_new) {
        if (metadata_.size() + 1 >= kGgufKeyCountMax) {  // general.alignment is one more
            return invalid_input(
                fmt::format("key {}: more than {} keys", quoted_name(key), kGgufKeyCountMax));
        }
        metadata_.emplace_back(key, std::move(encoded));
    } else {
        metadata_[place->second].second = std::move(encoded);
    }
    return {};
}

Status GgufWriter::add_tensor(std::string_view name, TensorType type, std::vector<uint64_t> shape,
                              std::span<const uint8_t> bytes) {
    const auto expected = gguf_tensor_bytes(type, shape);
    if (expected.ok() && expected.value() != bytes.size()) {
        return invalid_input(fmt::format("tensor {}: {} bytes given, its shape and type have {}",
                                         quoted_name(name), bytes.size(), expected.value()));
    }
    return add_tensor(name, type, std::move(shape),
                      [bytes](const Sink& sink) { return sink(bytes); });
}

Status GgufWriter::add_tensor(std::string_view name, TensorType type, std::vector<uint64_t> shape,
                              Producer producer) {
    const auto bytes = gguf_tensor_bytes(type, shape);
    if (!bytes.ok()) {
        return invalid_input(
            fmt::format("tensor {}: {}", quoted_name(name), bytes.error().message));
    }
    if (name.empty() || name.size() > kGgufNameBytesMax) {
        return invalid_input(fmt::format("tensor {}: its name must have 1 to {} bytes",
                                         quoted_name(name), kGgufNameBytesMax));
    }
    if (tensors_.size() >= kGgufTensorCountMax) {
        return invalid_input(
            fmt::format("tensor {}: more than {} tensors", quoted_name(name), kGgufTensorCountMax));
    }
    if (!tensor_index_.try_emplace(std::string(name), tensors_.size()).second) {
        return invalid_input(fmt::format("tensor {} is added twice", quoted_name(name)));
    }
    tensors_.push_back(
        {std::string(name), type, std::move(shape), bytes.value(), std::move(producer)});
    return {};
}

// Everything before the data, without its padding.
std::string GgufWriter::header() const {
    std::string out;
    append(out, kMagic);
    append(out, kVersion);
    append<uint64_t>(out, tensors_.size());
    append<uint64_t>(out, metadata_.size() + 1);
    for (const auto& [key, encoded] : metadata_) {
        append_text(out, key);
        out.append(encoded);
    }
    append_text(out, kAlignmentKey);
    append(out, static_cast<uint32_t>(GgufType::kUint32));
    append(out, static_cast<uint32_t>(kAlignment));
    uint64_t offset = 0;
    for (const Tensor& tensor : tensors_) {
        append_text(out, tensor.name);
        append(out, static_cast<uint32_t>(tensor.shape.size()));
        for (const uint64_t dimension : tensor.shape) append(out, dimension);
        append(out, static_cast<uint32_t>(tensor.type));
        append(out, offset);
        offset += aligned(tensor.bytes);
    }
    return out;
}

Status GgufWriter::write(const std::string& path) const {
    OutputFile file = FACET_TRY(OutputFile::create(path));
    const std::string start = header();
    FACET_TRY(file.append({reinterpret_cast<const uint8_t*>(start.data()), start.size()}));
    FACET_TRY(file.pad());
    for (const Tensor& tensor : tensors_) {
        uint64_t given = 0;
        const auto wrong_size = [&] {
            return invalid_input(
                fmt::format("{}: tensor {}: its producer gave {} bytes, expected {}", path,
                            quoted_name(tensor.name), given, tensor.bytes));
        };
        FACET_TRY(tensor.producer([&](std::span<const uint8_t> piece) -> Status {
            given += piece.size();
            if (given > tensor.bytes) return wrong_size();
            return file.append(piece);
        }));
        if (given != tensor.bytes) return wrong_size();
        FACET_TRY(file.pad());
    }
    return file.commit();
}

}  // namespace facet
