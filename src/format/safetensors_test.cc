// What the safetensors reader accepts, the sentence it refuses the rest with, and broken files of
// every kind.
#include "format/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/scratch_directory.h"

namespace facet {
namespace {

// A file of that header and `data_bytes` bytes 0, 1, 2, ...
std::string image(std::string_view header, size_t data_bytes) {
    const uint64_t length = header.size();
    std::string bytes(sizeof length, '\0');
    std::memcpy(bytes.data(), &length, sizeof length);
    bytes += header;
    for (size_t i = 0; i < data_bytes; ++i) bytes += static_cast<char>(i);
    return bytes;
}

std::span<const uint8_t> as_bytes(std::string_view text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

SafetensorsFile parsed(std::string_view bytes) {
    auto file = SafetensorsFile::parse(as_bytes(bytes), "m.safetensors");
    if (!file.ok()) throw std::runtime_error(file.error().message);
    return file.take();
}

std::string refusal(std::string_view bytes) {
    auto file = SafetensorsFile::parse(as_bytes(bytes), "m.safetensors");
    if (file.ok()) return "(accepted)";
    const std::string prefix = "m.safetensors: ";
    EXPECT_EQ(file.error().message.rfind(prefix, 0), 0u);
    return file.error().message.substr(prefix.size());
}

// A file of one tensor "w" with that description and 16 data bytes.
std::string description_refusal(std::string_view description) {
    return refusal(image("{\"w\":" + std::string(description) + "}", 16));
}

constexpr std::string_view kSmallHeader =
    R"({"__metadata__":{"format":"pt"},)"
    R"("b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
    R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
    R"("i":{"dtype":"I64","shape":[1],"data_offsets":[16,24]},)"
    R"("none":{"dtype":"U8","shape":[0,5],"data_offsets":[24,24]}}   )";

TEST(Safetensors, ReadsNamesShapesAndBytes) {
    const std::string bytes = image(kSmallHeader, 24);
    const SafetensorsFile file = parsed(bytes);
    ASSERT_EQ(file.tensors().size(), 4u);
    EXPECT_EQ(file.tensors()[0].name, "b");  // the header's order
    const SafetensorsTensor& b = *file.find_tensor("b");
    EXPECT_EQ(b.dtype, "BF16");
    EXPECT_EQ(b.type, TensorType::kBF16);
    EXPECT_EQ(b.shape, (std::vector<uint64_t>{2, 3}));
    ASSERT_EQ(b.bytes.size(), 12u);
    EXPECT_EQ(b.bytes[0], 4);
    EXPECT_TRUE(file.find_tensor("a")->shape.empty());
    EXPECT_EQ(file.find_tensor("a")->type, TensorType::kF32);
    EXPECT_EQ(file.find_tensor("i")->dtype, "I64");
    EXPECT_FALSE(file.find_tensor("i")->type);
    EXPECT_TRUE(file.find_tensor("none")->bytes.empty());
    EXPECT_EQ(file.find_tensor("__metadata__"), nullptr);
}

TEST(Safetensors, RefusesHeadersThatCannotBe) {
    EXPECT_EQ(refusal("short"), "too short to be a safetensors file");
    EXPECT_EQ(refusal(std::string_view("GGUF\x03\0\0\0rest", 12)),
              "not a safetensors file (it would have a header of 14064895815 bytes)");
    EXPECT_EQ(refusal(image(kSmallHeader, 0).substr(0, 100)),
              "a header of 258 bytes does not fit in the file of 100 bytes; was it downloaded "
              "completely?");
    EXPECT_EQ(refusal(image("[]", 0)), "its header is not a JSON object");
    EXPECT_EQ(refusal(image("{\"w\":", 0)), "its header: malformed JSON at byte 6");
    EXPECT_EQ(refusal(image(std::string(1000, '['), 0)),
              "its header: JSON is nested deeper than 200 levels");
}

TEST(Safetensors, BoundsTheMemoryOfAHeader) {
    std::string header = "{\"w\":[0";
    for (int i = 0; i < 1 << 20; ++i) header += ",0";
    EXPECT_EQ(refusal(image(header + "]}", 0)), "its header: JSON of more than 1048576 values");
}

TEST(Safetensors, RefusesDescriptionsThatCannotBe) {
    EXPECT_EQ(description_refusal("3"),
              "tensor \"w\": expected an object with dtype, shape and data_offsets");
    EXPECT_EQ(description_refusal(R"({"dtype":"F32","shape":[1]})"),
              "tensor \"w\": expected an object with dtype, shape and data_offsets");
    EXPECT_EQ(description_refusal(R"({"dtype":"F4","shape":[1],"data_offsets":[0,4]})"),
              "tensor \"w\": dtype \"F4\", which Facet does not read");
    EXPECT_EQ(description_refusal(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})"),
              "tensor \"w\": its shape has a dimension that is not an integer of 0 or more");
    EXPECT_EQ(
        description_refusal(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]})"),
        "tensor \"w\": its shape is not a list of up to 8 dimensions");
    EXPECT_EQ(description_refusal(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})"),
              "tensor \"w\": its data_offsets are not [begin, end]");
    EXPECT_EQ(description_refusal(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4,8]})"),
              "tensor \"w\": its data_offsets are not [begin, end]");
    EXPECT_EQ(description_refusal(R"({"dtype":"F32","shape":[1],"data_offsets":[0.0,4.0]})"),
              "tensor \"w\": its data_offsets are not [begin, end]");
    EXPECT_EQ(refusal(image(R"({"":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4)),
              "tensor \"\": its name must have 1 to 1024 bytes");
}

TEST(Safetensors, RefusesBytesThatDoNotFit) {
    EXPECT_EQ(description_refusal(R"({"dtype":"F32","shape":[5],"data_offsets":[0,20]})"),
              "tensor \"w\": its data ends at byte 20, but the file holds 16 bytes of data; was it "
              "downloaded completely?");
    EXPECT_EQ(description_refusal(R"({"dtype":"F32","shape":[3],"data_offsets":[0,16]})"),
              "tensor \"w\": 16 bytes in the file do not fit F32 of shape [3]");
    EXPECT_EQ(
        description_refusal(
            R"({"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]})"),
        "tensor \"w\": 0 bytes in the file do not fit F32 of shape [4294967296, 4294967296, 4]");
    EXPECT_EQ(description_refusal(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16]})"),
              "(accepted)");
}

TEST(Safetensors, RefusesRepeatedNamesAndSharedBytes) {
    EXPECT_EQ(refusal(image(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                            R"("w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                            8)),
              "its header: a key of a JSON object is repeated");
    EXPECT_EQ(refusal(image(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                            R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                            8)),
              "tensors \"a\" and \"b\" overlap in the file");
}

// Sharded models.

std::string one_tensor(std::string_view name) {
    return image(
        "{\"" + std::string(name) + R"(":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4);
}

class SafetensorsShards : public testing::Test {
  protected:
    std::string refusal_of(const std::string& path) {
        auto file = SafetensorsFile::open(path);
        if (file.ok()) return "(accepted)";
        EXPECT_EQ(file.error().message.rfind(scratch_.path(), 0), 0u);
        return file.error().message.substr(scratch_.path().size() + 1);
    }
    std::string index_refusal(std::string_view index) {
        return refusal_of(scratch_.write("model.safetensors.index.json", index));
    }

    ScratchDirectory scratch_;
};

TEST_F(SafetensorsShards, OpenAsOneModelByFolderAndByIndex) {
    scratch_.write("one.safetensors", one_tensor("a"));
    scratch_.write("two.safetensors", one_tensor("b"));
    const std::string index = scratch_.write(
        "model.safetensors.index.json",
        R"({"metadata":{"total_size":8},"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
    for (const std::string& path : {index, scratch_.path()}) {
        auto file = SafetensorsFile::open(path);
        ASSERT_TRUE(file.ok()) << file.error().message;
        EXPECT_EQ(file.value().tensors().size(), 2u);
        EXPECT_EQ(file.value().find_tensor("b")->bytes[1], 1);
    }
}

TEST_F(SafetensorsShards, AFolderWithoutIndexHoldsASingleFile) {
    EXPECT_EQ(refusal_of(scratch_.path()),
              "model.safetensors: cannot open: No such file or directory");
    scratch_.write("model.safetensors", one_tensor("a"));
    auto file = SafetensorsFile::open(scratch_.path());
    ASSERT_TRUE(file.ok()) << file.error().message;
    EXPECT_NE(file.value().find_tensor("a"), nullptr);
}

TEST_F(SafetensorsShards, NamesMayNotLeaveTheFolder) {
    for (const std::string name :
         {"../x.safetensors", "/etc/passwd", "a/b", "..", ".", "", "x\\u0000y"}) {
        const std::string message = index_refusal("{\"weight_map\":{\"a\":\"" + name + "\"}}");
        EXPECT_NE(message.find("is not the name of a file beside the index"), std::string::npos)
            << message;
    }
}

TEST_F(SafetensorsShards, RefusesAnIndexThatDoesNotFitTheShards) {
    scratch_.write("one.safetensors", one_tensor("a"));
    scratch_.write("again.safetensors", one_tensor("a"));
    const std::string index = "model.safetensors.index.json: ";
    EXPECT_EQ(index_refusal("{}"),
              index + "expected an object \"weight_map\" of tensors and their files");
    EXPECT_EQ(index_refusal("{"), index + "malformed JSON at byte 2");
    EXPECT_EQ(index_refusal(R"({"weight_map":{"b":"one.safetensors"}})"),
              index + "tensor \"b\" is not in \"one.safetensors\", where the index puts it");
    EXPECT_EQ(index_refusal(R"({"weight_map":{"a":"none.safetensors"}})"),
              "none.safetensors: cannot open: No such file or directory");
    EXPECT_EQ(index_refusal(R"({"weight_map":{"a":"one.safetensors","b":"again.safetensors"}})"),
              "again.safetensors: tensor \"a\" is in another shard already");
    scratch_.write("two.safetensors", one_tensor("b"));
    EXPECT_EQ(index_refusal(R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})"),
              "(accepted)");
    scratch_.write(
        "both.safetensors",
        image(
            R"({"c":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"d":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
            2));
    EXPECT_EQ(index_refusal(R"({"weight_map":{"c":"both.safetensors","d":"two.safetensors"}})"),
              index + "tensor \"d\" is not in \"two.safetensors\", where the index puts it");
}

// Broken files: every input in an allocation of exactly its size, so that AddressSanitizer sees one
// byte too many.

bool survives(std::string_view bytes) {
    const std::vector<uint8_t> exact(bytes.begin(), bytes.end());
    auto file = SafetensorsFile::parse(exact, "hostile");
    if (!file.ok()) {
        EXPECT_GT(file.error().message.size(), std::string("hostile: ").size());
        return false;
    }
    uint64_t sum = 0;
    for (const SafetensorsTensor& tensor : file.value().tensors()) {
        EXPECT_EQ(file.value().find_tensor(tensor.name), &tensor);
        for (const uint8_t byte : tensor.bytes) sum += byte;
    }
    EXPECT_LE(sum, 255 * exact.size());  // no byte belongs to two tensors
    return true;
}

TEST(SafetensorsHostile, EveryTruncationIsRefused) {
    const std::string bytes = image(kSmallHeader, 24);
    EXPECT_TRUE(survives(bytes));
    for (size_t size = 0; size < bytes.size(); ++size)
        EXPECT_FALSE(survives(bytes.substr(0, size))) << size;
}

TEST(SafetensorsHostile, EveryHeaderLengthSurvives) {
    std::string bytes = image(kSmallHeader, 24);
    for (const uint64_t base : {uint64_t{0}, uint64_t{bytes.size()}, uint64_t{100'000'000},
                                uint64_t{1} << 31, uint64_t{1} << 32, uint64_t{1} << 63}) {
        for (int shift = -20; shift <= 20; ++shift) {
            const uint64_t length = base + static_cast<uint64_t>(shift);
            std::memcpy(bytes.data(), &length, sizeof length);
            EXPECT_EQ(survives(bytes),
                      length >= kSmallHeader.size() - 3 && length <= kSmallHeader.size())
                << length;
        }
    }
}

TEST(SafetensorsHostile, EveryNumberSurvivesEveryExtreme) {
    const std::string header(kSmallHeader);
    for (size_t i = 0; i < header.size(); ++i) {
        if (header[i] < '0' || header[i] > '9') continue;
        for (const char* value : {"-1", "0", "1", "2147483648", "4294967296", "9223372036854775807",
                                  "9223372036854775808", "18446744073709551615",
                                  "18446744073709551616", "1e3", "0.5", "null", "[]"}) {
            std::string changed = header;
            changed.replace(i, 1, value);
            survives(image(changed, 24));
        }
    }
}

TEST(SafetensorsHostile, RandomCorruptionSurvives) {
    const std::string original = image(kSmallHeader, 24);
    std::mt19937_64 random(1);
    for (int round = 0; round < 20000; ++round) {
        std::string bytes = original;
        const size_t count = 1 + random() % 4;
        for (size_t i = 0; i < count; ++i)
            bytes[random() % (bytes.size() - 24)] = static_cast<char>(random());
        survives(bytes);
    }
}

}  // namespace
}  // namespace facet
