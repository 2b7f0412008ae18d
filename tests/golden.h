// Reads the golden numbers of tests/golden (its README says what they are and how they were made),
// and opens the models they belong to as F32 or BF16 files.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "tests/edited_model.h"

namespace facet {

struct GoldenArray {
    std::string dtype;
    std::vector<int64_t> shape;
    std::vector<float> floats;  // dtype f32
    std::vector<int32_t> ints;  // dtype i32
};

// The index and arrays of one model.
class Golden {
  public:
    explicit Golden(const std::string& model)
        : folder_(FACET_SOURCE_DIR "/tests/golden/" + model + "/") {
        auto text = read_text_file(folder_ + "index.json", 16 << 20);
        EXPECT_TRUE(text.ok());
        index_ = Json::parse(text.value()).take();
    }

    // The cases of a part ("text", "acts", "greedy").
    const std::vector<Json>& cases(const char* part) const {
        return index_.find("cases")->find(part)->items;
    }

    GoldenArray array(const std::string& name) const {
        GoldenArray array;
        for (const Json& entry : index_.find("arrays")->items) {
            if (entry.find("name")->text != name) continue;
            size_t count = 1;
            for (const Json& size : entry.find("shape")->items) {
                array.shape.push_back(size.to_integer().take());
                count *= static_cast<size_t>(array.shape.back());
            }
            array.dtype = entry.find("dtype")->text;
            auto file = MappedFile::open(folder_ + entry.find("file")->text);
            EXPECT_TRUE(file.ok()) << name;
            const auto offset = static_cast<size_t>(entry.find("offset")->to_integer().take());
            EXPECT_LE(offset + 4 * count, file.value().bytes().size()) << name;
            const uint8_t* data = file.value().bytes().data() + offset;
            array.floats.resize(array.dtype == "f32" ? count : 0);
            array.ints.resize(array.dtype == "i32" ? count : 0);
            if (!array.floats.empty()) std::memcpy(array.floats.data(), data, 4 * count);
            if (!array.ints.empty()) std::memcpy(array.ints.data(), data, 4 * count);
            return array;
        }
        ADD_FAILURE() << "no golden array " << name;
        return array;
    }

    bool has_array(const std::string& name) const {
        for (const Json& entry : index_.find("arrays")->items) {
            if (entry.find("name")->text == name) return true;
        }
        return false;
    }

    static std::vector<int32_t> ids(const Json& list) {
        std::vector<int32_t> ids;
        for (const Json& id : list.items)
            ids.push_back(static_cast<int32_t>(id.to_integer().take()));
        return ids;
    }

  private:
    std::string folder_;
    Json index_;
};

// A golden model as BF16 (as stored) or F32 (the same values).
class GoldenModel {
  public:
    GoldenModel(const std::string& model, TensorType type)
        : path_(FACET_SOURCE_DIR "/tests/golden/" + model + "/facet-" + model + "-BF16.gguf") {
        if (type == TensorType::kF32) path_ = write_as_f32(path_);
    }
    const std::string& path() const { return path_; }

  private:
    std::string write_as_f32(const std::string& stored) {
        edited_ = std::make_unique<EditedModel>(stored);
        for (EditedTensor& tensor : edited_->tensors()) {
            const TensorTypeTraits& traits = traits_of(tensor.type);
            const size_t blocks = tensor.bytes.size() / traits.block_bytes;
            std::vector<uint8_t> decoded(blocks * traits.block_elements * sizeof(float));
            traits.decode(tensor.bytes.data(), blocks, reinterpret_cast<float*>(decoded.data()));
            tensor.bytes = std::move(decoded);
            tensor.type = TensorType::kF32;
        }
        return edited_->write();
    }

    std::string path_;
    std::unique_ptr<EditedModel> edited_;
};

}  // namespace facet
