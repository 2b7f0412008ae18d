// See line_buffer.h.
#include "line_buffer.h"

#include <algorithm>

#include "terminal_text.h"

namespace facet::app {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n'; }

std::string cleaned(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte == '\r') {
            if (i + 1 == text.size() || text[i + 1] != '\n') out += '\n';
        } else if ((byte >= 0x20 && byte != 0x7f) || byte == '\n' || byte == '\t') {
            out += text[i];
        }
    }
    return out;
}

}  // namespace

void LineBuffer::set(std::string text) {
    text_ = std::move(text);
    cursor_ = text_.size();
}

void LineBuffer::insert(std::string_view text) {
    const std::string clean = cleaned(text);
    text_.insert(cursor_, clean);
    cursor_ += clean.size();
}

void LineBuffer::backspace() {
    const size_t start = previous_cluster(text_, cursor_);
    text_.erase(start, cursor_ - start);
    cursor_ = start;
}

void LineBuffer::delete_forward() { text_.erase(cursor_, next_cluster(text_, cursor_) - cursor_); }

void LineBuffer::move_left() { cursor_ = previous_cluster(text_, cursor_); }

void LineBuffer::move_right() { cursor_ = next_cluster(text_, cursor_); }

void LineBuffer::move_word_left() {
    while (cursor_ > 0 && is_space(text_[cursor_ - 1])) --cursor_;
    while (cursor_ > 0 && !is_space(text_[cursor_ - 1])) --cursor_;
}

void LineBuffer::move_word_right() {
    while (cursor_ < text_.size() && is_space(text_[cursor_])) ++cursor_;
    while (cursor_ < text_.size() && !is_space(text_[cursor_])) ++cursor_;
}

size_t LineBuffer::line_start(size_t at) const {
    const size_t newline = at == 0 ? std::string::npos : text_.rfind('\n', at - 1);
    return newline == std::string::npos ? 0 : newline + 1;
}

size_t LineBuffer::line_end(size_t at) const {
    return std::min(text_.find('\n', at), text_.size());
}

void LineBuffer::move_home() { cursor_ = line_start(cursor_); }

void LineBuffer::move_end() { cursor_ = line_end(cursor_); }

// To the border nearest to a display column of the line that starts at `start`.
void LineBuffer::move_to_column(size_t start, size_t column) {
    const size_t end = line_end(start);
    cursor_ = start;
    while (cursor_ < end &&
           display_width(std::string_view(text_).substr(start, cursor_ - start)) < column) {
        cursor_ = next_cluster(text_, cursor_);
    }
}

bool LineBuffer::move_up() {
    const size_t start = line_start(cursor_);
    if (start == 0) return false;
    const size_t column = display_width(std::string_view(text_).substr(start, cursor_ - start));
    move_to_column(line_start(start - 1), column);
    return true;
}

bool LineBuffer::move_down() {
    const size_t start = line_start(cursor_);
    const size_t end = line_end(cursor_);
    if (end == text_.size()) return false;
    const size_t column = display_width(std::string_view(text_).substr(start, cursor_ - start));
    move_to_column(end + 1, column);
    return true;
}

void LineBuffer::kill_to_home() {
    const size_t start = line_start(cursor_);
    text_.erase(start, cursor_ - start);
    cursor_ = start;
}

void LineBuffer::kill_to_end() { text_.erase(cursor_, line_end(cursor_) - cursor_); }

void LineBuffer::kill_word() {
    const size_t end = cursor_;
    move_word_left();
    text_.erase(cursor_, end - cursor_);
}

bool LineBuffer::turn_backslash_into_newline() {
    if (cursor_ != text_.size() || !text_.ends_with('\\')) return false;
    text_.back() = '\n';
    return true;
}

Layout lay_out(const LineBuffer& buffer, std::string_view prompt, size_t columns) {
    const std::string& text = buffer.text();
    const size_t indent = display_width(prompt);
    const size_t width = std::max(columns, indent + 3) - 1;
    Layout layout;
    layout.rows.emplace_back(prompt);
    size_t used = indent;
    const auto next_row = [&](std::string start, size_t start_width) {
        layout.row_widths.push_back(used);
        layout.rows.push_back(std::move(start));
        used = start_width;
    };
    for (size_t at = 0;;) {
        const size_t end = next_cluster(text, at);
        const std::string_view cluster = std::string_view(text).substr(at, end - at);
        const size_t cluster_width = display_width(cluster);
        // A full row moves the cursor on as well, so that it never stands beyond the last column.
        if (used + std::max<size_t>(cluster_width, 1) > width && cluster != "\n") next_row("", 0);
        if (at == buffer.cursor()) {
            layout.cursor_row = layout.rows.size() - 1;
            layout.cursor_column = used;
        }
        if (at >= text.size()) break;
        if (cluster == "\n") {
            next_row(std::string(indent, ' '), indent);
        } else {
            layout.rows.back() +=
                cluster == "\t" ? std::string(kTabWidth, ' ') : neutralize(cluster);
            used += cluster_width;
        }
        at = end;
    }
    layout.row_widths.push_back(used);
    return layout;
}

}  // namespace facet::app
