// libFuzzer target: any bytes from a client, to the parser and to a whole server.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "serve/hostile_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    facet::serve::take_hostile_bytes({reinterpret_cast<const char*>(data), size});
    return 0;
}
