// For tests: a GGUF file put together number by number, remembering where each number lies that the
// parser must check.
//
// Deliberately independent of GgufWriter, which would refuse to write most of what the tests need.
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "format/gguf.h"

namespace facet {

struct GgufImage {
    // A count, length, id or offset inside the image.
    struct Field {
        std::string what;
        size_t position;
        size_t bytes;  // 4 or 8
    };

    std::vector<uint8_t> bytes;
    std::vector<Field> fields;

    template <typename T>
    GgufImage& raw(std::type_identity_t<T> value) {
        const size_t position = bytes.size();
        bytes.resize(position + sizeof(T));
        std::memcpy(bytes.data() + position, &value, sizeof(T));
        return *this;
    }
    template <typename T>
    GgufImage& field(std::string what, std::type_identity_t<T> value) {
        fields.push_back({std::move(what), bytes.size(), sizeof(T)});
        return raw<T>(value);
    }
    GgufImage& text(std::string_view text) {
        field<uint64_t>("length of " + std::string(text), text.size());
        const size_t position = bytes.size();
        bytes.resize(position + text.size());
        std::memcpy(bytes.data() + position, text.data(), text.size());
        return *this;
    }

    GgufImage& header(uint64_t tensor_count, uint64_t key_count, uint32_t version = 3) {
        raw<uint32_t>(0x46554747);
        field<uint32_t>("version", version);
        field<uint64_t>("tensor count", tensor_count);
        return field<uint64_t>("key count", key_count);
    }
    // A key and its type; the value follows with raw() or text().
    GgufImage& key(std::string_view name, GgufType type) {
        text(name);
        return field<uint32_t>("type of " + std::string(name), static_cast<uint32_t>(type));
    }
    GgufImage& array_key(std::string_view name, GgufType element_type, uint64_t count) {
        key(name, GgufType::kArray);
        field<uint32_t>("element type of " + std::string(name),
                        static_cast<uint32_t>(element_type));
        return field<uint64_t>("element count of " + std::string(name), count);
    }
    GgufImage& tensor(std::string_view name, std::initializer_list<uint64_t> shape,
                      uint32_t type_id, uint64_t offset) {
        text(name);
        field<uint32_t>("rank of " + std::string(name), static_cast<uint32_t>(shape.size()));
        for (const uint64_t dimension : shape)
            field<uint64_t>("dimension of " + std::string(name), dimension);
        field<uint32_t>("type id of " + std::string(name), type_id);
        return field<uint64_t>("offset of " + std::string(name), offset);
    }
    // Pads to the alignment and appends `count` data bytes 0, 1, 2, ...
    GgufImage& data(size_t count, size_t alignment = 32) {
        while (bytes.size() % alignment != 0) bytes.push_back(0);
        for (size_t i = 0; i < count; ++i) bytes.push_back(static_cast<uint8_t>(i));
        return *this;
    }
};

// A small valid file with every value type, an array of each kind, and four tensors.
inline GgufImage small_gguf_image() {
    GgufImage image;
    image.header(4, 16);
    image.key("general.architecture", GgufType::kString).text("test");
    image.key("a.u8", GgufType::kUint8).raw<uint8_t>(255);
    image.key("a.i8", GgufType::kInt8).raw<int8_t>(-128);
    image.key("a.u16", GgufType::kUint16).raw<uint16_t>(65535);
    image.key("a.i16", GgufType::kInt16).raw<int16_t>(-32768);
    image.key("a.u32", GgufType::kUint32).raw<uint32_t>(4294967295u);
    image.key("a.i32", GgufType::kInt32).raw<int32_t>(-5);
    image.key("a.f32", GgufType::kFloat32).raw<float>(1.5f);
    image.key("a.bool", GgufType::kBool).raw<uint8_t>(1);
    image.key("a.u64", GgufType::kUint64).raw<uint64_t>(1ull << 40);
    image.key("a.i64", GgufType::kInt64).raw<int64_t>(-(1ll << 40));
    image.key("a.f64", GgufType::kFloat64).raw<double>(0.1);
    image.array_key("b.ints", GgufType::kInt32, 3).raw<int32_t>(1).raw<int32_t>(-2).raw<int32_t>(3);
    image.array_key("b.bools", GgufType::kBool, 2).raw<uint8_t>(0).raw<uint8_t>(1);
    image.array_key("b.floats", GgufType::kFloat32, 2).raw<float>(0.5f).raw<float>(-2.0f);
    image.array_key("b.texts", GgufType::kString, 3).text("x").text("").text("yz");
    image.tensor("t.f32", {4}, 0, 0);
    image.tensor("t.q8", {32, 3}, 8, 32);            // 102 bytes
    image.tensor("t.f16", {3, 2, 2}, 1, 160);        // 24 bytes
    image.tensor("t.q4k", {256, 1, 1, 2}, 12, 192);  // 288 bytes
    image.data(480);
    return image;
}

}  // namespace facet
