// A model file with some of its keys and tensors changed: how tests make variants and wrong files.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/scratch_directory.h"
#include "format/gguf.h"
#include "format/gguf_writer.h"

namespace facet {

inline constexpr char kDemoModel[] = FACET_SOURCE_DIR "/models/facet-demo-Q8_0.gguf";
inline constexpr char kMoeModel[] = FACET_SOURCE_DIR "/tests/golden/moe26/facet-moe26-BF16.gguf";
inline constexpr char kDenseModel[] =
    FACET_SOURCE_DIR "/tests/golden/dense31/facet-dense31-BF16.gguf";

struct EditedTensor {
    std::string name;
    TensorType type = TensorType::kF32;
    std::vector<uint64_t> shape;
    std::vector<uint8_t> bytes;
};

class EditedModel {
  public:
    explicit EditedModel(const std::string& path) {
        auto file = GgufFile::open(path);
        EXPECT_TRUE(file.ok());
        for (const auto& [key, value] : file.value().metadata()) keys_.emplace_back(key, value);
        for (const TensorView& tensor : file.value().tensors()) {
            tensors_.push_back({tensor.name,
                                tensor.type,
                                tensor.shape,
                                {tensor.bytes.begin(), tensor.bytes.end()}});
        }
        source_ = std::make_unique<GgufFile>(file.take());  // values are views into it
    }

    EditedModel& set(const std::string& key, GgufType type, int64_t value) {
        return set(key, GgufValue{type, value});
    }
    EditedModel& set(const std::string& key, std::string_view value) {
        return set(key, GgufValue{GgufType::kString, value});
    }
    EditedModel& set(const std::string& key, GgufValue value) {
        erase(key);
        keys_.emplace_back(key, std::move(value));
        return *this;
    }
    EditedModel& erase(const std::string& key) {
        std::erase_if(keys_, [&](const auto& entry) { return entry.first == key; });
        return *this;
    }
    EditedModel& erase_tensor(const std::string& name) {
        std::erase_if(tensors_, [&](const EditedTensor& tensor) { return tensor.name == name; });
        return *this;
    }
    EditedModel& add_tensor(EditedTensor tensor) {
        tensors_.push_back(std::move(tensor));
        return *this;
    }
    EditedTensor& tensor(const std::string& name) {
        for (EditedTensor& tensor : tensors_) {
            if (tensor.name == name) return tensor;
        }
        ADD_FAILURE() << "no tensor " << name;
        return tensors_.front();
    }
    std::vector<EditedTensor>& tensors() { return tensors_; }

    // Writes the file into the test's own folder and gives its path.
    std::string write() {
        GgufWriter writer;
        for (const auto& [key, value] : keys_) EXPECT_TRUE(writer.set(key, value).ok()) << key;
        for (const EditedTensor& tensor : tensors_) {
            const Status added =
                writer.add_tensor(tensor.name, tensor.type, tensor.shape, tensor.bytes);
            EXPECT_TRUE(added.ok()) << (added.ok() ? "" : added.error().message);
        }
        const std::string path = scratch_.file("edited.gguf");
        EXPECT_TRUE(writer.write(path).ok());
        return path;
    }

  private:
    std::unique_ptr<GgufFile> source_;
    std::vector<std::pair<std::string, GgufValue>> keys_;
    std::vector<EditedTensor> tensors_;
    ScratchDirectory scratch_;
};

}  // namespace facet
