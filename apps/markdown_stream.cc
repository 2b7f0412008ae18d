// See markdown_stream.h. Cursor movement is ECMA-48: CUU (CSI A) and ED (CSI J).
#include "markdown_stream.h"

#include <fmt/format.h>

#include <algorithm>

#include "markdown.h"

namespace facet::app {

namespace {

constexpr std::string_view kBlank = " \t\r";

// The line without indentation, quote marks and a list marker: a fence may follow them.
std::string_view after_markers(std::string_view line) {
    while (true) {
        const size_t text = line.find_first_not_of(" \t>");
        if (text == std::string_view::npos) return {};
        line.remove_prefix(text);
        const size_t digits = line.find_first_not_of("0123456789");
        const bool numbered = digits != std::string_view::npos && digits > 0 &&
                              (line[digits] == '.' || line[digits] == ')');
        const size_t marker =
            numbered ? digits + 1
                     : (std::string_view("-*+").find(line[0]) != std::string_view::npos ? 1 : 0);
        if (marker == 0 || marker >= line.size() || line[marker] != ' ') return line;
        line.remove_prefix(marker);
    }
}

}  // namespace

void BlockSplitter::scan_line(std::string_view line) {
    const std::string_view text = after_markers(line);
    after_blank_ = line.find_first_not_of(kBlank) == std::string_view::npos;
    if (after_blank_) return;
    has_text_ = true;
    const char mark = text.empty() ? '\0' : text[0];
    if (mark != '`' && mark != '~') return;
    const size_t length = std::min(text.find_first_not_of(mark), text.size());
    const std::string_view rest = text.substr(length);
    if (fence_ == 0) {
        // A line such as ```code``` is no fence.
        if (length < 3 || (mark == '`' && rest.find('`') != std::string_view::npos)) return;
        fence_ = mark;
        fence_length_ = length;
    } else if (mark == fence_ && length >= fence_length_ &&
               rest.find_first_not_of(kBlank) == std::string_view::npos) {
        fence_ = 0;
    }
}

size_t BlockSplitter::find_end(std::string_view text) {
    while (scanned_ < text.size()) {
        const bool indented = kBlank.find(text[scanned_]) != std::string_view::npos;
        if (after_blank_ && has_text_ && fence_ == 0 && !indented && text[scanned_] != '\n')
            return scanned_;
        const size_t newline = text.find('\n', scanned_);
        if (newline == std::string_view::npos) break;
        scan_line(text.substr(scanned_, newline - scanned_));
        scanned_ = newline + 1;
    }
    return std::string_view::npos;
}

MarkdownStream::MarkdownStream(bool colors, std::function<TerminalSize()> size, Write write)
    : colors_(colors), size_(std::move(size)), write_(std::move(write)) {}

void MarkdownStream::append(std::string_view text) {
    pending_ += text;
    while (true) {
        const size_t end = splitter_.find_end(pending_);
        if (end == std::string::npos) break;
        std::string rest = pending_.substr(end);
        pending_.resize(end);
        end_block();
        pending_ = std::move(rest);
    }
    // A long block is redrawn less often, so that the work stays in proportion to the text.
    constexpr size_t kRedrawShare = 256;
    if (pending_.size() - drawn_bytes_ > pending_.size() / kRedrawShare) draw();
}

void MarkdownStream::finish() {
    end_block();
    any_block_ = false;
}

void MarkdownStream::end_block() {
    draw();
    if (!shown_.empty()) {
        write_("\n");
        any_block_ = true;
    }
    pending_.clear();
    shown_.clear();
    drawn_bytes_ = 0;
    reachable_ = 0;
    splitter_.restart();
}

void MarkdownStream::draw() {
    drawn_bytes_ = pending_.size();
    const TerminalSize size = size_();
    if (shown_.empty()) {
        block_size_ = size;
    } else if (size.columns != block_size_.columns || size.rows != block_size_.rows) {
        // How the terminal moved the lines is unknown: they stay as they are, and the block keeps
        // its width.
        reachable_ = shown_.size() - 1;
        block_size_.rows = size.rows;
    }
    // The last column stays free: terminals differ in where the cursor is once it is filled.
    auto lines = render_markdown(pending_, block_size_.columns - 1, colors_);
    if (lines.empty() && shown_.empty()) return;
    if (shown_.empty() && any_block_) write_("\n");
    draw_lines(std::move(lines));
}

void MarkdownStream::draw_lines(std::vector<std::string> lines) {
    if (lines.size() <= reachable_) lines.resize(reachable_ + 1);
    size_t first = 0;
    while (first < std::min(shown_.size(), lines.size()) && shown_[first] == lines[first]) ++first;
    if (first == lines.size() && first == shown_.size()) return;
    first = std::max(std::min(first, lines.size() - 1), reachable_);

    std::string out;
    if (first < shown_.size()) {
        const size_t up = shown_.size() - 1 - first;
        if (up > 0) out += fmt::format("\x1b[{}A", up);
        out += "\r\x1b[J";
    } else if (!shown_.empty()) {
        out += "\n";
    }
    for (size_t i = first; i < lines.size(); ++i) {
        if (i > first) out += "\n";
        out += lines[i];
    }
    shown_ = std::move(lines);
    const size_t on_screen = static_cast<size_t>(std::max(block_size_.rows - 1, 1));
    if (shown_.size() > on_screen) reachable_ = std::max(reachable_, shown_.size() - on_screen);
    write_(out);
}

}  // namespace facet::app
