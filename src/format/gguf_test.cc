// What the GGUF reader accepts, and the sentence it refuses the rest with.
#include "format/gguf.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "base/scratch_directory.h"
#include "format/gguf_image.h"
#include "format/gguf_writer.h"

namespace facet {
namespace {

GgufFile parsed(const GgufImage& image) {
    auto file = GgufFile::parse(image.bytes, "m.gguf");
    if (!file.ok()) throw std::runtime_error(file.error().message);
    return file.take();
}

std::string refusal(std::span<const uint8_t> bytes) {
    auto file = GgufFile::parse(bytes, "m.gguf");
    return file.ok() ? "(accepted)" : file.error().message;
}
std::string refusal(const GgufImage& image) { return refusal(image.bytes); }
std::string refusal(std::string_view text) {
    return refusal({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

// A file of one tensor and no keys.
std::string tensor_refusal(std::initializer_list<uint64_t> shape, uint32_t type_id, uint64_t offset,
                           size_t data_bytes) {
    return refusal(GgufImage().header(1, 0).tensor("w", shape, type_id, offset).data(data_bytes));
}

TEST(Gguf, ReadsEveryValueType) {
    const GgufImage image = small_gguf_image();
    const GgufFile file = parsed(image);
    EXPECT_EQ(file.version(), 3u);
    EXPECT_EQ(file.file_bytes(), image.bytes.size());
    ASSERT_EQ(file.metadata().size(), 16u);
    EXPECT_EQ(file.metadata()[0].first, "general.architecture");
    EXPECT_EQ(file.metadata()[15].first, "b.texts");
    EXPECT_EQ(*file.string("general.architecture").value(), "test");
    EXPECT_EQ(*file.integer("a.u8").value(), 255);
    EXPECT_EQ(*file.integer("a.i8").value(), -128);
    EXPECT_EQ(*file.integer("a.u16").value(), 65535);
    EXPECT_EQ(*file.integer("a.i16").value(), -32768);
    EXPECT_EQ(*file.integer("a.u32").value(), 4294967295ll);
    EXPECT_EQ(*file.integer("a.i32").value(), -5);
    EXPECT_EQ(*file.number("a.f32").value(), 1.5);
    EXPECT_EQ(*file.boolean("a.bool").value(), true);
    EXPECT_EQ(*file.integer("a.u64").value(), 1ll << 40);
    EXPECT_EQ(*file.integer("a.i64").value(), -(1ll << 40));
    EXPECT_EQ(*file.number("a.f64").value(), 0.1);
    EXPECT_EQ(*file.number("a.i32").value(), -5.0);
    EXPECT_EQ(*file.integer_array("b.ints").value(), (std::vector<int64_t>{1, -2, 3}));
    EXPECT_EQ(*file.integer_array("b.bools").value(), (std::vector<int64_t>{0, 1}));
    EXPECT_EQ(*file.string_array("b.texts").value(),
              (std::vector<std::string_view>{"x", "", "yz"}));
    EXPECT_EQ(std::get<GgufArray>(file.find("b.floats")->value).floats,
              (std::vector<double>{0.5, -2}));
    EXPECT_EQ(file.find("a.i16")->type, GgufType::kInt16);
}

TEST(Gguf, PointsTensorsAtTheirBytes) {
    const GgufImage image = small_gguf_image();
    const GgufFile file = parsed(image);
    ASSERT_EQ(file.tensors().size(), 4u);
    const TensorView& tensor = *file.find_tensor("t.q8");
    EXPECT_EQ(tensor.type, TensorType::kQ8_0);
    EXPECT_EQ(tensor.shape, (std::vector<uint64_t>{32, 3}));
    EXPECT_EQ(tensor.bytes.size(), 102u);
    EXPECT_EQ(tensor.bytes[0], 32);
    EXPECT_EQ(tensor.bytes.data() - image.bytes.data(),
              static_cast<ptrdiff_t>(image.bytes.size() - 480 + 32));
    EXPECT_EQ(file.find_tensor("t.f16")->element_count(), 12u);
    EXPECT_EQ(file.find_tensor("none"), nullptr);
}

TEST(Gguf, ReadsVersion2) {
    EXPECT_EQ(
        parsed(GgufImage().header(0, 1, 2).key("k", GgufType::kBool).raw<uint8_t>(0)).version(),
        2u);
}

TEST(Gguf, HonoursTheAlignmentKey) {
    GgufImage image;
    image.header(2, 1).key("general.alignment", GgufType::kUint32).raw<uint32_t>(8);
    image.tensor("a", {1}, 0, 0).tensor("b", {1}, 0, 8).data(12, 8);
    EXPECT_EQ(parsed(image).find_tensor("b")->bytes[0], 8);
    for (const uint32_t bad : {0u, 3u, 48u, 1u << 21}) {
        GgufImage other;
        other.header(0, 1).key("general.alignment", GgufType::kUint32).raw<uint32_t>(bad);
        EXPECT_EQ(refusal(other),
                  "m.gguf: key \"general.alignment\": expected a power of two up to 1048576");
    }
}

TEST(Gguf, TypedAccessNamesTheKeyAndBothTypes) {
    const GgufImage image = small_gguf_image();
    const GgufFile file = parsed(image);
    EXPECT_EQ(file.integer("a.f32").error().message,
              "m.gguf: key \"a.f32\": expected an integer, found float32");
    EXPECT_EQ(file.integer("a.bool").error().message,
              "m.gguf: key \"a.bool\": expected an integer, found bool");
    EXPECT_EQ(file.number("b.ints").error().message,
              "m.gguf: key \"b.ints\": expected a number, found array of int32");
    EXPECT_EQ(file.boolean("a.u8").error().message,
              "m.gguf: key \"a.u8\": expected a bool, found uint8");
    EXPECT_EQ(file.string("a.u8").error().message,
              "m.gguf: key \"a.u8\": expected a string, found uint8");
    EXPECT_FALSE(file.integer_array("b.texts").ok());
    EXPECT_FALSE(file.integer_array("b.floats").ok());
    EXPECT_FALSE(file.integer_array("a.u8").ok());
    EXPECT_FALSE(file.string_array("b.ints").ok());
}

TEST(Gguf, AMissingKeyIsNothing) {
    const GgufImage image = small_gguf_image();
    const GgufFile file = parsed(image);
    EXPECT_FALSE(file.integer("none").value());
    EXPECT_FALSE(file.number("none").value());
    EXPECT_FALSE(file.boolean("none").value());
    EXPECT_FALSE(file.string("none").value());
    EXPECT_EQ(file.integer_array("none").value(), nullptr);
    EXPECT_EQ(file.string_array("none").value(), nullptr);
}

TEST(Gguf, SaysWhatAnotherFileLooksLike) {
    const std::string prefix = "m.gguf: not a GGUF file";
    EXPECT_EQ(refusal("\x89PNG\r\n\x1a\n"), prefix + "; it looks like a PNG picture");
    EXPECT_EQ(refusal("PK\x03\x04zip"),
              prefix + "; it looks like a ZIP archive or a PyTorch checkpoint");
    EXPECT_EQ(refusal("<!DOCTYPE html><html>"), prefix + "; it looks like an HTML page");
    EXPECT_EQ(refusal(std::string_view("\x40\0\0\0\0\0\0\0{\"a\"", 12)),
              prefix + "; it looks like a safetensors file");
    EXPECT_EQ(refusal("version https://git-lfs.github.com/spec/v1\n"),
              prefix + "; it looks like a Git LFS pointer, not the file it stands for");
    EXPECT_EQ(refusal("hello"), prefix + " (it does not start with \"GGUF\")");
    EXPECT_EQ(refusal("GG"), prefix + " (it does not start with \"GGUF\")");
    EXPECT_EQ(refusal(""), prefix + " (it does not start with \"GGUF\")");
}

TEST(Gguf, RefusesOtherVersionsAndByteOrders) {
    EXPECT_EQ(refusal(GgufImage().header(0, 0, 1)),
              "m.gguf: GGUF version 1; versions 2 and 3 can be read");
    EXPECT_EQ(refusal(GgufImage().header(0, 0, 4)),
              "m.gguf: GGUF version 4; versions 2 and 3 can be read");
    EXPECT_EQ(refusal(GgufImage().header(0, 0, 0x03000000)),
              "m.gguf: a big-endian GGUF file; only little-endian files can be read");
}

TEST(Gguf, RefusesCountsThatCannotBe) {
    EXPECT_EQ(refusal(GgufImage().header(65537, 0)),
              "m.gguf: 65537 tensors, above the limit of 65536");
    EXPECT_EQ(refusal(GgufImage().header(0, 5)),
              "m.gguf: 5 keys cannot fit in the 0 bytes that follow; was the file downloaded "
              "completely?");
    GgufImage array;
    array.header(0, 1).array_key("a", GgufType::kString, 1000).text("only one");
    EXPECT_EQ(refusal(array),
              "m.gguf: key \"a\": 1000 elements cannot fit in the 16 bytes that follow; was the "
              "file downloaded "
              "completely?");
    GgufImage large;
    large.header(0, 1).array_key("a", GgufType::kUint8, kGgufArrayCountMax + 1);
    EXPECT_EQ(refusal(large), "m.gguf: key \"a\": 16777217 elements, above the limit of 16777216");
}

TEST(Gguf, RefusesValuesThatCannotBe) {
    const auto with_key = [] { return GgufImage().header(0, 1); };
    EXPECT_EQ(refusal(with_key().key("k", static_cast<GgufType>(13)).raw<uint64_t>(0)),
              "m.gguf: key \"k\": unknown value type 13");
    EXPECT_EQ(refusal(with_key().key("k", GgufType::kBool).raw<uint8_t>(2)),
              "m.gguf: key \"k\": a bool of 2, expected 0 or 1");
    EXPECT_EQ(refusal(with_key().key("k", GgufType::kUint64).raw<uint64_t>(1ull << 63)),
              "m.gguf: key \"k\": the number 9223372036854775808 is above 2^63 - 1");
    EXPECT_EQ(refusal(with_key().array_key("k", GgufType::kArray, 1).raw<uint64_t>(0)),
              "m.gguf: key \"k\": an array of arrays, which Facet does not read");
    EXPECT_EQ(
        refusal(with_key().key("k", GgufType::kUint32).raw<uint16_t>(0)),
        "m.gguf: key \"k\": the file ends too early, at byte 39; was it downloaded completely?");
    EXPECT_EQ(refusal(with_key().key("", GgufType::kUint32).raw<uint32_t>(0)),
              "m.gguf: key 1 of 1: its name is empty");
    EXPECT_EQ(refusal(with_key().key(std::string(1025, 'k'), GgufType::kBool).raw<uint8_t>(0)),
              "m.gguf: key 1 of 1: a text of 1025 bytes, above the limit of 1024");
}

TEST(Gguf, ShowsHostileNamesHarmlessly) {
    EXPECT_EQ(refusal(GgufImage().header(0, 1).key("\x1b[2J\xff", GgufType::kBool).raw<uint8_t>(9)),
              "m.gguf: key \"\\u001b[2J\xef\xbf\xbd\": a bool of 9, expected 0 or 1");
    const std::string message = refusal(
        GgufImage().header(0, 1).key(std::string(900, 'n'), GgufType::kBool).raw<uint8_t>(9));
    EXPECT_LT(message.size(), 300u);
}

TEST(Gguf, RefusesRepeatedNames) {
    GgufImage keys;
    keys.header(0, 2)
        .key("k", GgufType::kBool)
        .raw<uint8_t>(0)
        .key("k", GgufType::kBool)
        .raw<uint8_t>(1);
    EXPECT_EQ(refusal(keys), "m.gguf: key \"k\" appears twice");
    GgufImage tensors;
    tensors.header(2, 0).tensor("w", {1}, 0, 0).tensor("w", {1}, 0, 32).data(64);
    EXPECT_EQ(refusal(tensors), "m.gguf: tensor \"w\" appears twice");
}

TEST(Gguf, RefusesShapesThatCannotBe) {
    EXPECT_EQ(tensor_refusal({}, 0, 0, 64), "m.gguf: tensor \"w\": 0 dimensions, expected 1 to 4");
    EXPECT_EQ(tensor_refusal({1, 1, 1, 1, 1}, 0, 0, 64),
              "m.gguf: tensor \"w\": 5 dimensions, expected 1 to 4");
    EXPECT_EQ(tensor_refusal({4, 0}, 0, 0, 64),
              "m.gguf: tensor \"w\": a dimension of 0, expected 1 to 1099511627776");
    EXPECT_EQ(
        tensor_refusal({48}, 8, 0, 64),
        "m.gguf: tensor \"w\": a row of 48 values is not a whole number of Q8_0 blocks of 32");
    EXPECT_EQ(
        tensor_refusal({1ull << 40, 1ull << 40}, 0, 0, 64),
        "m.gguf: tensor \"w\": a shape of [1099511627776, 1099511627776] is larger than any file");
}

TEST(Gguf, RefusesTypesItCannotDecodeByName) {
    EXPECT_EQ(tensor_refusal({64}, 40, 0, 64),
              "m.gguf: tensor \"w\": type 40 (NVFP4), which Facet does not read");
    EXPECT_EQ(tensor_refusal({64}, 99, 0, 64),
              "m.gguf: tensor \"w\": type 99 (unknown), which Facet does not read");
}

TEST(Gguf, RefusesTensorsOutsideTheFile) {
    EXPECT_EQ(tensor_refusal({17}, 0, 0, 64),
              "m.gguf: tensor \"w\": its 68 bytes at offset 0 of the data do not lie inside the "
              "file of 128 bytes; was "
              "it downloaded completely?");
    EXPECT_EQ(tensor_refusal({1}, 0, 4, 64),
              "m.gguf: tensor \"w\": its offset 4 is not a multiple of 32");
    EXPECT_EQ(tensor_refusal({16}, 0, 0, 64), "(accepted)");
    EXPECT_NE(tensor_refusal({16}, 0, ~uint64_t{31}, 64), "(accepted)");
}

TEST(Gguf, RefusesOverlappingTensors) {
    GgufImage image;
    image.header(3, 0)
        .tensor("c", {1}, 0, 64)
        .tensor("a", {9}, 0, 0)
        .tensor("b", {1}, 0, 32)
        .data(96);
    EXPECT_EQ(refusal(image), "m.gguf: tensors \"a\" and \"b\" overlap in the file");
    GgufImage same;
    same.header(2, 0).tensor("a", {1}, 0, 0).tensor("b", {1}, 0, 0).data(32);
    EXPECT_NE(refusal(same), "(accepted)");
}

TEST(Gguf, KeepsTheMappingWhenTheFileObjectMoves) {
    const ScratchDirectory scratch;
    const GgufImage image = small_gguf_image();
    const std::string path = scratch.write(
        "m.gguf", {reinterpret_cast<const char*>(image.bytes.data()), image.bytes.size()});
    auto opened = GgufFile::open(path);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    const GgufFile moved = opened.take();
    const GgufFile copy = moved;
    EXPECT_EQ(copy.find_tensor("t.q8")->bytes[1], 33);
    EXPECT_EQ(*copy.string("general.architecture").value(), "test");
}

// Split models.

class GgufSplit : public testing::Test {
  protected:
    // Writes part `number` (from 0) of `count` with one tensor, named `tensor`.
    std::string write_part(const std::string& name, int64_t number, int64_t count,
                           const std::string& tensor, int64_t tensor_total = 3) {
        GgufWriter writer;
        EXPECT_TRUE(writer.set("split.no", {GgufType::kUint16, number}).ok());
        EXPECT_TRUE(writer.set("split.count", {GgufType::kUint16, count}).ok());
        EXPECT_TRUE(writer.set("split.tensors.count", {GgufType::kInt32, tensor_total}).ok());
        EXPECT_TRUE(writer.set("part", {GgufType::kUint16, number}).ok());
        const std::vector<uint8_t> bytes(4, static_cast<uint8_t>(number));
        EXPECT_TRUE(writer.add_tensor(tensor, TensorType::kF32, {1}, bytes).ok());
        EXPECT_TRUE(writer.write(scratch_.file(name)).ok());
        return scratch_.file(name);
    }

    std::string refusal_of(const std::string& path) {
        auto file = GgufFile::open(path);
        if (file.ok()) return "(accepted)";
        const std::string& message = file.error().message;
        return message.substr(message.rfind(scratch_.path()) == 0 ? scratch_.path().size() + 1 : 0);
    }

    ScratchDirectory scratch_;
};

TEST_F(GgufSplit, OpensAsOneModel) {
    const std::string first = write_part("m-00001-of-00003.gguf", 0, 3, "a");
    write_part("m-00002-of-00003.gguf", 1, 3, "b");
    write_part("m-00003-of-00003.gguf", 2, 3, "c");
    auto file = GgufFile::open(first);
    ASSERT_TRUE(file.ok()) << file.error().message;
    ASSERT_EQ(file.value().tensors().size(), 3u);
    EXPECT_EQ(file.value().find_tensor("c")->bytes[0], 2);
    EXPECT_EQ(*file.value().integer("part").value(), 0);
    EXPECT_EQ(file.value().file_bytes(), 3 * std::filesystem::file_size(first));
}

TEST_F(GgufSplit, AnotherPartSaysWhichFileToOpen) {
    const std::string second = write_part("m-00002-of-00003.gguf", 1, 3, "b");
    EXPECT_EQ(GgufFile::open(second).error().message,
              second + ": part 2 of 3 of a split model; open " +
                  scratch_.file("m-00001-of-00003.gguf") + " instead");
}

TEST_F(GgufSplit, RefusesPartsThatDoNotBelongTogether) {
    const std::string first = write_part("m-00001-of-00002.gguf", 0, 2, "a");
    EXPECT_EQ(refusal_of(first), "m-00002-of-00002.gguf: cannot open: No such file or directory");
    write_part("m-00002-of-00002.gguf", 1, 2, "a");
    EXPECT_EQ(refusal_of(first), "m-00002-of-00002.gguf: tensor \"a\" appears twice");
    write_part("m-00002-of-00002.gguf", 2, 3, "b");
    EXPECT_EQ(
        refusal_of(first),
        "m-00002-of-00002.gguf: says it is part 3 of 3 of a split model, expected part 2 of 2");
    write_part("m-00002-of-00002.gguf", 1, 2, "b");
    EXPECT_EQ(
        refusal_of(first),
        "m-00001-of-00002.gguf: the split model has 2 tensors, expected 3 (split.tensors.count)");
}

TEST_F(GgufSplit, RefusesNamesAndNumbersThatDoNotFit) {
    EXPECT_EQ(refusal_of(write_part("model.gguf", 0, 2, "a")),
              "model.gguf: the first of 2 parts of a split model, so its name must end in "
              "-00001-of-00002.gguf for the "
              "others to be found");
    EXPECT_EQ(refusal_of(write_part("x.gguf", 2, 2, "a")),
              "x.gguf: split.no 2 and split.count 2 do not fit together (limit 1000)");
    EXPECT_EQ(refusal_of(write_part("y.gguf", 0, 2000, "a")),
              "y.gguf: split.no 0 and split.count 2000 do not fit together (limit 1000)");
}

TEST_F(GgufSplit, AloneInMemoryIsRefused) {
    GgufImage image;
    image.header(0, 1).key("split.count", GgufType::kUint16).raw<uint16_t>(2);
    EXPECT_EQ(refusal(image), "m.gguf: one part of a split model; its parts are opened by path");
}

}  // namespace
}  // namespace facet
