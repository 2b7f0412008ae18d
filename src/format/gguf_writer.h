// Writes GGUF v3 files: collects metadata and the tensor table, then streams the tensors' bytes.
//
// Owns the layout (alignment 32) and the promise that a file under its final name is whole. Refuses
// what gguf.h would refuse to read. Must not know: what any key or tensor means.
// Source: ggml-org/ggml docs/gguf.md (format description).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "format/gguf.h"

namespace facet {

class GgufWriter {
  public:
    // Takes the next piece of a tensor's bytes.
    using Sink = std::function<Status(std::span<const uint8_t>)>;
    // Hands all of a tensor's bytes to the sink, in order and in pieces of any size, and stops at
    // its first error.
    using Producer = std::function<Status(const Sink&)>;

    // Sets or replaces a key; the value is copied. The key general.alignment is the writer's own:
    // what is set under it is ignored. Errors: a name, text or array beyond the limits of gguf.h.
    // The value must fit its type.
    Status set(std::string_view key, const GgufValue& value);

    // Adds a tensor; the file has them in the order of these calls. `bytes` must live until
    // write(), `producer` is called once in each write(). Errors: a second tensor of that name, an
    // impossible shape, bytes that do not fit it.
    Status add_tensor(std::string_view name, TensorType type, std::vector<uint64_t> shape,
                      std::span<const uint8_t> bytes);
    Status add_tensor(std::string_view name, TensorType type, std::vector<uint64_t> shape,
                      Producer producer);

    // Writes the file under a temporary name in the same folder, then renames it to `path`,
    // replacing what was there. Errors: the system's, a producer's, a producer that gave more or
    // fewer bytes than its tensor has; the temporary file is then gone and `path` is as it was.
    Status write(const std::string& path) const;

  private:
    struct Tensor {
        std::string name;
        TensorType type;
        std::vector<uint64_t> shape;
        uint64_t bytes;
        Producer producer;
    };

    std::string header() const;

    std::vector<std::pair<std::string, std::string>> metadata_;  // key, encoded type and value
    std::unordered_map<std::string, size_t> key_index_;
    std::vector<Tensor> tensors_;
    std::unordered_map<std::string, size_t> tensor_index_;
};

}  // namespace facet
