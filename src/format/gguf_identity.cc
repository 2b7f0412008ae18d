#include "format/gguf_identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

namespace facet {

namespace {

void update_number(StreamHash& hash, uint64_t number) {
    hash.update({reinterpret_cast<const uint8_t*>(&number), sizeof number});
}

// The bytes of a part before those of its first tensor. A part without tensors is all header.
std::span<const uint8_t> header_of(const MappedFile& part, const std::vector<TensorView>& tensors) {
    const std::span<const uint8_t> bytes = part.bytes();
    size_t end = bytes.size();
    for (const TensorView& tensor : tensors) {
        if (!part.contains(tensor.bytes.data())) continue;
        end = std::min(end, static_cast<size_t>(tensor.bytes.data() - bytes.data()));
    }
    return bytes.first(end);
}

// Where in a tensor its sample begins: at places that differ from tensor to tensor, because
// neighbours are often alike at their ends.
uint64_t sample_place(size_t tensor, uint64_t bytes) {
    constexpr uint64_t kSteps = 61;
    return (bytes - kIdentitySampleBytes) / kSteps * (tensor % (kSteps + 1));
}

Status update_sample(StreamHash& hash, const MappedFile& part, const TensorView& tensor,
                     size_t number) {
    std::array<uint8_t, kIdentitySampleBytes> buffer;
    const uint64_t bytes = tensor.bytes.size();
    const uint64_t place = bytes <= buffer.size() ? 0 : sample_place(number, bytes);
    const auto sample = std::span(buffer).first(std::min<uint64_t>(bytes, buffer.size()));
    const auto offset = static_cast<uint64_t>(tensor.bytes.data() - part.bytes().data()) + place;
    FACET_TRY(part.read(offset, sample));
    hash.update(sample);
    return {};
}

}  // namespace

Result<Hash128> gguf_identity(const GgufFile& file) {
    if (file.mappings().empty()) {
        return unsupported(fmt::format("{}: not opened by path, so not identified", file.path()));
    }
    StreamHash hash;
    for (const auto& part : file.mappings()) {
        const std::span<const uint8_t> header = header_of(*part, file.tensors());
        update_number(hash, part->bytes().size());
        update_number(hash, header.size());
        hash.update(header);
        for (size_t i = 0; i < file.tensors().size(); ++i) {
            const TensorView& tensor = file.tensors()[i];
            if (part->contains(tensor.bytes.data())) {
                FACET_TRY(update_sample(hash, *part, tensor, i));
            }
        }
    }
    return hash.digest();
}

}  // namespace facet
