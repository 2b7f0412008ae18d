#include "format/gguf_writer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/scratch_directory.h"
#include "format/gguf_image.h"

namespace facet {
namespace {

std::vector<uint8_t> pattern(size_t count, uint8_t start) {
    std::vector<uint8_t> bytes(count);
    for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(start + i);
    return bytes;
}

GgufFile reread(const std::string& path) {
    auto file = GgufFile::open(path);
    if (!file.ok()) throw std::runtime_error(file.error().message);
    return file.take();
}

size_t file_count(const ScratchDirectory& scratch) {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(scratch.path()), {}));
}

TEST(GgufWriter, WhatIsReadCanBeWrittenAgain) {
    const ScratchDirectory scratch;
    const GgufImage image = small_gguf_image();
    const auto original = GgufFile::parse(image.bytes, "image");
    ASSERT_TRUE(original.ok()) << original.error().message;

    GgufWriter writer;
    for (const auto& [key, value] : original.value().metadata())
        ASSERT_TRUE(writer.set(key, value).ok()) << key;
    for (const TensorView& tensor : original.value().tensors()) {
        ASSERT_TRUE(writer.add_tensor(tensor.name, tensor.type, tensor.shape, tensor.bytes).ok());
    }
    ASSERT_TRUE(writer.write(scratch.file("copy.gguf")).ok());

    const GgufFile copy = reread(scratch.file("copy.gguf"));
    EXPECT_EQ(copy.version(), 3u);
    ASSERT_EQ(copy.metadata().size(), original.value().metadata().size() + 1);  // general.alignment
    for (size_t i = 0; i < original.value().metadata().size(); ++i) {
        const auto& [key, value] = original.value().metadata()[i];
        EXPECT_EQ(copy.metadata()[i].first, key);
        EXPECT_EQ(copy.metadata()[i].second.type, value.type) << key;
        const GgufArray* array = std::get_if<GgufArray>(&value.value);
        if (array == nullptr) {
            EXPECT_EQ(copy.metadata()[i].second.value.index(), value.value.index()) << key;
            continue;
        }
        const GgufArray& copied = std::get<GgufArray>(copy.metadata()[i].second.value);
        EXPECT_EQ(copied.element_type, array->element_type) << key;
        EXPECT_EQ(copied.integers, array->integers) << key;
        EXPECT_EQ(copied.floats, array->floats) << key;
        EXPECT_EQ(copied.strings, array->strings) << key;
    }
    EXPECT_EQ(*copy.integer("a.i8").value(), -128);
    EXPECT_EQ(*copy.integer("a.u32").value(), 4294967295ll);
    EXPECT_EQ(*copy.number("a.f64").value(), 0.1);
    EXPECT_EQ(*copy.boolean("a.bool").value(), true);
    EXPECT_EQ(*copy.string("general.architecture").value(), "test");
    EXPECT_EQ(*copy.integer("general.alignment").value(), 32);
    for (const TensorView& tensor : original.value().tensors()) {
        const TensorView* copied = copy.find_tensor(tensor.name);
        ASSERT_NE(copied, nullptr);
        EXPECT_EQ(copied->type, tensor.type);
        EXPECT_EQ(copied->shape, tensor.shape);
        EXPECT_TRUE(std::equal(copied->bytes.begin(), copied->bytes.end(), tensor.bytes.begin(),
                               tensor.bytes.end()));
        EXPECT_EQ(reinterpret_cast<uintptr_t>(copied->bytes.data()) % 32,
                  0u);  // mappings start on a page
    }
    EXPECT_EQ(file_count(scratch), 1u);
}

TEST(GgufWriter, SettingAKeyAgainReplacesItInPlace) {
    const ScratchDirectory scratch;
    GgufWriter writer;
    ASSERT_TRUE(writer.set("a", {GgufType::kUint32, int64_t{1}}).ok());
    ASSERT_TRUE(writer.set("b", {GgufType::kUint32, int64_t{2}}).ok());
    ASSERT_TRUE(writer.set("a", {GgufType::kString, std::string_view("new")}).ok());
    ASSERT_TRUE(writer.set("general.alignment", {GgufType::kUint32, int64_t{64}}).ok());
    ASSERT_TRUE(writer.write(scratch.file("m.gguf")).ok());
    const GgufFile file = reread(scratch.file("m.gguf"));
    EXPECT_EQ(file.metadata()[0].first, "a");
    EXPECT_EQ(*file.string("a").value(), "new");
    EXPECT_EQ(*file.integer("general.alignment").value(), 32);
    EXPECT_EQ(file.metadata().size(), 3u);
}

TEST(GgufWriter, KeepsTheExtremesOfEveryType) {
    const ScratchDirectory scratch;
    GgufWriter writer;
    GgufArray integers;
    integers.element_type = GgufType::kInt64;
    integers.integers = {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()};
    ASSERT_TRUE(writer.set("i64", {GgufType::kArray, integers}).ok());
    GgufArray none;
    none.element_type = GgufType::kString;
    ASSERT_TRUE(writer.set("none", {GgufType::kArray, none}).ok());
    ASSERT_TRUE(writer.set("text", {GgufType::kString, std::string_view("a\0b\xff", 4)}).ok());
    ASSERT_TRUE(writer.write(scratch.file("m.gguf")).ok());
    const GgufFile file = reread(scratch.file("m.gguf"));
    EXPECT_EQ(*file.integer_array("i64").value(), integers.integers);
    EXPECT_TRUE(file.string_array("none").value()->empty());
    EXPECT_EQ(*file.string("text").value(), std::string_view("a\0b\xff", 4));
}

TEST(GgufWriter, StreamsATensorInPieces) {
    const ScratchDirectory scratch;
    const std::vector<uint8_t> bytes = pattern(4000, 7);
    GgufWriter writer;
    const auto in_pieces = [&](const GgufWriter::Sink& sink) -> Status {
        for (size_t i = 0; i < bytes.size(); i += 999) {
            FACET_TRY(sink(std::span(bytes).subspan(i, std::min<size_t>(999, bytes.size() - i))));
        }
        return {};
    };
    ASSERT_TRUE(writer.add_tensor("streamed", TensorType::kF32, {100, 10}, in_pieces).ok());
    const std::vector<uint8_t> after = pattern(2, 99);
    ASSERT_TRUE(writer.add_tensor("after", TensorType::kF16, {1}, after).ok());
    ASSERT_TRUE(writer.write(scratch.file("m.gguf")).ok());
    const GgufFile file = reread(scratch.file("m.gguf"));
    const auto read = file.find_tensor("streamed")->bytes;
    EXPECT_TRUE(std::equal(read.begin(), read.end(), bytes.begin(), bytes.end()));
    EXPECT_EQ(file.find_tensor("after")->bytes[1], 100);
}

TEST(GgufWriter, AFailedWriteLeavesWhatWasThere) {
    const ScratchDirectory scratch;
    const std::string path = scratch.write("m.gguf", "old");
    const auto expect_refused = [&](GgufWriter::Producer producer, const std::string& message) {
        GgufWriter writer;
        ASSERT_TRUE(writer.add_tensor("w", TensorType::kF32, {4}, std::move(producer)).ok());
        const Status status = writer.write(path);
        ASSERT_FALSE(status.ok());
        EXPECT_EQ(status.error().message, message);
        EXPECT_EQ(std::filesystem::file_size(path), 3u);
        EXPECT_EQ(file_count(scratch), 1u);
    };
    expect_refused(
        [](const GgufWriter::Sink&) -> Status { return invalid_input("the source broke"); },
        "the source broke");
    expect_refused([](const GgufWriter::Sink& sink) { return sink(pattern(15, 0)); },
                   path + ": tensor \"w\": its producer gave 15 bytes, expected 16");
    expect_refused([](const GgufWriter::Sink& sink) { return sink(pattern(17, 0)); },
                   path + ": tensor \"w\": its producer gave 17 bytes, expected 16");
}

TEST(GgufWriter, SaysWhyItCannotWrite) {
    const ScratchDirectory scratch;
    const Status missing = GgufWriter().write(scratch.file("none/m.gguf"));
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().message,
              scratch.file("none/m.gguf") + ": cannot create: No such file or directory");
    const Status directory = GgufWriter().write(scratch.path());
    ASSERT_FALSE(directory.ok());
    EXPECT_EQ(directory.error().message, scratch.path() + ": cannot create: Is a directory");
}

TEST(GgufWriter, RefusesWhatTheReaderWouldRefuse) {
    GgufWriter writer;
    const std::vector<uint8_t> bytes(16);
    EXPECT_FALSE(writer.set("", {GgufType::kBool, true}).ok());
    EXPECT_FALSE(writer.set(std::string(1025, 'k'), {GgufType::kBool, true}).ok());
    const std::string long_text(kGgufStringBytesMax + 1, 'x');
    EXPECT_FALSE(writer.set("k", {GgufType::kString, std::string_view(long_text)}).ok());
    const auto message = [&](std::string_view name, TensorType type, std::vector<uint64_t> shape) {
        const Status status = writer.add_tensor(name, type, std::move(shape), bytes);
        return status.ok() ? "" : status.error().message;
    };
    EXPECT_EQ(message("w", TensorType::kF32, {4}), "");
    EXPECT_EQ(message("w", TensorType::kF32, {4}), "tensor \"w\" is added twice");
    EXPECT_EQ(message("v", TensorType::kF32, {5}),
              "tensor \"v\": 16 bytes given, its shape and type have 20");
    EXPECT_EQ(message("v", TensorType::kF32, {}), "tensor \"v\": 0 dimensions, expected 1 to 4");
    EXPECT_EQ(message("v", TensorType::kQ4_K, {32}),
              "tensor \"v\": a row of 32 values is not a whole number of Q4_K blocks of 256");
    EXPECT_EQ(message("", TensorType::kF32, {4}),
              "tensor \"\": its name must have 1 to 1024 bytes");
}

}  // namespace
}  // namespace facet
