// libFuzzer target: any bytes as the header of a file of saved keys and values, as they are and
// with a checksum that holds; and as the name of such a file.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "engine/kv_file_header_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    facet::accepts_kv_header({data, size});
    facet::accepts_kv_header(facet::with_right_checksum({data, size}));
    const std::string_view name(reinterpret_cast<const char*>(data), size);
    if (const auto key = facet::parse_kv_file_name(name)) {
        FACET_CHECK(facet::kv_file_name(*key) == name);
    }
    return 0;
}
