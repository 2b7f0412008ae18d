// See setting_lines.h.
#include "serve/setting_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "serve/http_message.h"

namespace facet::serve {

namespace {

constexpr size_t kFileBytesMax = 1 << 20;

}  // namespace

Result<std::string> read_setting_file(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) return Error{ErrorKind::kNotFound, fmt::format("can not read '{}'", path)};
    std::string text(kFileBytesMax + 1, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(stream.gcount()));
    if (stream.bad() || text.size() > kFileBytesMax) {
        return Error{ErrorKind::kIo,
                     fmt::format("'{}' is no file of less than {} bytes", path, kFileBytesMax)};
    }
    return text;
}

Status for_each_setting_line(std::string_view text,
                             const std::function<Status(std::string_view, size_t)>& take) {
    for (size_t number = 1; !text.empty(); ++number) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (line.ends_with('\r')) line.remove_suffix(1);
        line = trim(line);
        if (!line.empty() && line[0] != '#') FACET_TRY(take(line, number));
    }
    return {};
}

}  // namespace facet::serve
