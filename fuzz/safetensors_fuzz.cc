// libFuzzer target: any bytes as a safetensors file. What is accepted is used as the converter
// would.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "format/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    auto file = facet::SafetensorsFile::parse({data, size}, "fuzz");
    if (!file.ok()) {
        FACET_CHECK(!file.error().message.empty());
        return 0;
    }
    uint64_t sum = 0;
    for (const facet::SafetensorsTensor& tensor : file.value().tensors()) {
        FACET_CHECK(file.value().find_tensor(tensor.name) == &tensor);
        for (const uint8_t byte : tensor.bytes) sum += byte;
    }
    [[maybe_unused]] static volatile uint64_t sink;
    sink = sum;
    return 0;
}
