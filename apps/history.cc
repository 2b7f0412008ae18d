// See history.h.
#include "history.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "atomic_file.h"
#include "base/mapped_file.h"
#include "console.h"

namespace facet::app {

namespace {

constexpr size_t kFileBytesMax = size_t{8} << 20;

std::string escaped(std::string_view entry) {
    std::string out;
    for (const char c : entry) {
        if (c == '\n') {
            out += "\\n";
        } else if (c == '\\') {
            out += "\\\\";
        } else {
            out += c;
        }
    }
    return out + "\n";
}

std::vector<std::string> parse_entries(std::string_view text) {
    std::vector<std::string> entries(1);
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\n') {
            entries.emplace_back();
        } else if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] != '\n') {
            ++i;
            entries.back() += text[i] == 'n' ? '\n' : text[i];
        } else {
            entries.back() += text[i];
        }
    }
    std::erase(entries, std::string());
    return entries;
}

bool is_blank(std::string_view text) {
    return text.find_first_not_of(" \t\n") == std::string_view::npos;
}

}  // namespace

History::History(std::string path) : path_(std::move(path)) {
    std::error_code ignored;
    const auto folder = std::filesystem::path(path_).parent_path();
    std::filesystem::create_directories(folder, ignored);
    const auto text = read_text_file(path_, kFileBytesMax);
    if (text.ok()) entries_ = parse_entries(text.value());
    if (entries_.size() > 2 * kHistoryEntriesMax) {
        entries_.erase(entries_.begin(), entries_.end() - kHistoryEntriesMax);
        std::string kept;
        for (const std::string& entry : entries_) kept += escaped(entry);
        (void)write_file(path_, kept);
    }
    end_walk();
}

void History::add(const std::string& entry) {
    end_walk();
    if (is_blank(entry) || (!entries_.empty() && entries_.back() == entry)) return;
    entries_.push_back(entry);
    end_walk();
    if (path_.empty()) return;
    const int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return;
    write_raw(fd, escaped(entry));
    ::close(fd);
}

std::optional<std::string> History::older(const std::string& current) {
    if (at_ == 0) return std::nullopt;
    if (at_ == entries_.size()) draft_ = current;
    return entries_[--at_];
}

std::optional<std::string> History::newer() {
    if (at_ == entries_.size()) return std::nullopt;
    ++at_;
    return at_ == entries_.size() ? draft_ : entries_[at_];
}

}  // namespace facet::app
