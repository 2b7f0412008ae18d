// libFuzzer target: any bytes as a GGUF file. What is accepted is used as the engine would.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "format/gguf.h"

namespace {

// Every byte of every tensor, so that a span outside the input is seen by AddressSanitizer.
uint64_t touch_tensors(const facet::GgufFile& file) {
    uint64_t sum = 0;
    for (const facet::TensorView& tensor : file.tensors()) {
        FACET_CHECK(file.find_tensor(tensor.name) == &tensor);
        FACET_CHECK(tensor.bytes.size() ==
                    facet::row_bytes(tensor.type, tensor.row_elements()) * tensor.row_count());
        for (const uint8_t byte : tensor.bytes) sum += byte;
    }
    return sum;
}

uint64_t touch_metadata(const facet::GgufFile& file) {
    uint64_t sum = 0;
    for (const auto& [key, value] : file.metadata()) {
        FACET_CHECK(file.find(key) == &value);
        // Only one of these can succeed; the others must say why not.
        const bool readable =
            file.integer(key).ok() || file.number(key).ok() || file.boolean(key).ok();
        const auto text = file.string(key);
        if (text.ok())
            sum +=
                text.value()->size() + (text.value()->empty() ? 0 : uint8_t(text.value()->back()));
        FACET_CHECK(!(readable && text.ok()));
        const auto texts = file.string_array(key);
        if (!texts.ok()) continue;
        for (const std::string_view item : *texts.value())
            sum += item.empty() ? 0 : uint8_t(item.back());
    }
    return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    auto file = facet::GgufFile::parse({data, size}, "fuzz");
    if (!file.ok()) {
        FACET_CHECK(!file.error().message.empty());
        return 0;
    }
    [[maybe_unused]] static volatile uint64_t sink;
    sink = touch_tensors(file.value()) + touch_metadata(file.value());
    return 0;
}
