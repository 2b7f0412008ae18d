// See markdown.h. One pass over md4c's events: inline text collects in cells, a finished block
// becomes lines.
#include "markdown.h"

#include <fmt/format.h>
#include <md4c.h>

#include <algorithm>
#include <string>

#include "base/utf8.h"
#include "markdown_table.h"
#include "styled_text.h"

namespace facet::app {

namespace {

// Text narrower than this is unreadable; deeper indentation is not shown.
constexpr size_t kTextWidthMin = 16;

// An entity such as "&amp;" or "&#8364;"; others stay as they are written.
std::string decode_entity(std::string_view entity) {
    constexpr struct {
        std::string_view name;
        std::string_view text;
    } kNamed[] = {{"&amp;", "&"},   {"&lt;", "<"},   {"&gt;", ">"},
                  {"&quot;", "\""}, {"&apos;", "'"}, {"&nbsp;", " "}};
    for (const auto& [name, text] : kNamed) {
        if (entity == name) return std::string(text);
    }
    if (!entity.starts_with("&#")) return std::string(entity);
    const bool hexadecimal = entity[2] == 'x' || entity[2] == 'X';
    const std::string digits(entity.substr(hexadecimal ? 3 : 2));
    const unsigned long code = std::strtoul(digits.c_str(), nullptr, hexadecimal ? 16 : 10);
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return std::string(kReplacementCharacter);
    std::string out;
    append_utf8(out, static_cast<char32_t>(code));
    return out;
}

class Renderer {
  public:
    Renderer(size_t width, bool colors) : width_(width), colors_(colors) {}

    void enter_block(MD_BLOCKTYPE type, void* detail);
    void leave_block(MD_BLOCKTYPE type);
    void enter_span(MD_SPANTYPE type);
    void leave_span(MD_SPANTYPE type, void* detail);
    void add_text(MD_TEXTTYPE type, std::string_view text);

    std::vector<std::string> take_lines() { return std::move(lines_); }

  private:
    // A quote, list or list item that the current block is in.
    struct Container {
        std::string first = {};   // before its first line: a bullet or number
        std::string others = {};  // before each other line
        bool first_used = false;
        bool has_block = false;  // something was printed in it already
        bool tight = false;
        unsigned next_number = 0;  // ordered lists
        char bullet = 0;           // 0: not a list
    };

    void open(Container container) { containers_.push_back(std::move(container)); }
    void open_list_item(const MD_BLOCK_LI_DETAIL& detail);
    void separate();
    void flush(bool hard = false);
    size_t text_width() const;
    StyledText take_prefix();
    void emit(const StyledText& line);
    void finish_code();

    size_t width_;
    bool colors_;
    std::vector<std::string> lines_;
    std::vector<Container> containers_{1};
    StyledText inline_;
    std::vector<uint8_t> styles_{0};
    std::vector<size_t> link_starts_;  // in inline_
    std::string code_language_;
    bool in_code_ = false;
    MarkdownTable table_;
    bool in_table_ = false;
};

void Renderer::open_list_item(const MD_BLOCK_LI_DETAIL& detail) {
    flush();
    Container& list = containers_.back();
    std::string marker = list.bullet == 0 ? fmt::format("{}. ", list.next_number++) : "• ";
    if (detail.is_task) marker = detail.task_mark == ' ' ? "☐ " : "☑ ";
    const size_t width = list.bullet == 0 ? marker.size() : 2;
    if (!list.tight) separate();
    list.has_block = true;
    open({.first = marker, .others = std::string(width, ' '), .tight = list.tight});
}

// A blank line before a block that follows another one.
void Renderer::separate() {
    Container& parent = containers_.back();
    if (parent.has_block && !parent.tight) {
        StyledText blank = take_prefix();
        emit(blank);
    }
    parent.has_block = true;
}

// The prefix of the next line; inner containers win where there is no room for all.
StyledText Renderer::take_prefix() {
    std::vector<StyledText> parts;
    size_t used = 0;
    for (auto container = containers_.rbegin(); container != containers_.rend(); ++container) {
        StyledText part;
        append_cells(part, container->first_used ? container->others : container->first, kDimmed);
        const size_t width = width_of(part);
        if (used + width + kTextWidthMin > width_) break;
        used += width;
        container->first_used = true;
        parts.push_back(std::move(part));
    }
    StyledText prefix;
    for (auto part = parts.rbegin(); part != parts.rend(); ++part)
        prefix.insert(prefix.end(), part->begin(), part->end());
    return prefix;
}

size_t Renderer::text_width() const {
    size_t used = 0;
    for (auto container = containers_.rbegin(); container != containers_.rend(); ++container) {
        StyledText part;
        append_cells(part, container->others, 0);
        if (used + width_of(part) + kTextWidthMin > width_) break;
        used += width_of(part);
    }
    return width_ - std::min(used, width_ - 1);
}

void Renderer::emit(const StyledText& line) {
    size_t end = line.size();
    while (end > 0 && line[end - 1].text == " ") --end;
    lines_.push_back(
        paint(StyledText(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(end)), colors_));
}

// Prints the inline text collected so far as lines of the current block.
void Renderer::flush(bool hard) {
    if (inline_.empty()) return;
    const size_t width = text_width();
    for (const StyledText& line : hard ? wrap_hard(inline_, width) : wrap(inline_, width)) {
        StyledText out = take_prefix();
        out.insert(out.end(), line.begin(), line.end());
        emit(out);
    }
    inline_.clear();
    containers_.back().has_block = true;
}

void Renderer::enter_block(MD_BLOCKTYPE type, void* detail) {
    switch (type) {
        case MD_BLOCK_DOC:
        case MD_BLOCK_HTML: return;
        case MD_BLOCK_QUOTE:
            flush();
            separate();
            return open({.first = "│ ", .others = "│ "});
        case MD_BLOCK_UL: {
            flush();
            const auto* list = static_cast<MD_BLOCK_UL_DETAIL*>(detail);
            separate();
            return open({.tight = list->is_tight != 0, .bullet = list->mark});
        }
        case MD_BLOCK_OL: {
            flush();
            const auto* list = static_cast<MD_BLOCK_OL_DETAIL*>(detail);
            separate();
            return open({.tight = list->is_tight != 0, .next_number = list->start});
        }
        case MD_BLOCK_LI: return open_list_item(*static_cast<MD_BLOCK_LI_DETAIL*>(detail));
        case MD_BLOCK_HR:
            separate();
            for (size_t i = 0; i < text_width(); ++i) append_cells(inline_, "─", kDimmed);
            return flush(true);
        case MD_BLOCK_H: {
            separate();
            const unsigned level = static_cast<MD_BLOCK_H_DETAIL*>(detail)->level;
            if (!colors_) append_cells(inline_, std::string(level, '#') + " ", 0);
            return styles_.push_back(
                static_cast<uint8_t>(level == 1 ? kBold | kUnderlined : kBold));
        }
        case MD_BLOCK_CODE: {
            flush();
            separate();
            const MD_ATTRIBUTE& language = static_cast<MD_BLOCK_CODE_DETAIL*>(detail)->lang;
            code_language_ =
                language.text == nullptr ? "" : std::string(language.text, language.size);
            in_code_ = true;
            return;
        }
        case MD_BLOCK_P: return separate();
        case MD_BLOCK_TABLE:
            separate();
            in_table_ = true;
            table_ = MarkdownTable();
            return;
        case MD_BLOCK_TR: return table_.add_row();
        case MD_BLOCK_TH: return styles_.push_back(kBold);
        case MD_BLOCK_THEAD:
        case MD_BLOCK_TBODY:
        case MD_BLOCK_TD: return;
    }
}

void Renderer::leave_block(MD_BLOCKTYPE type) {
    switch (type) {
        case MD_BLOCK_H: styles_.pop_back(); return flush();
        case MD_BLOCK_P: return flush();
        case MD_BLOCK_CODE: return finish_code();
        case MD_BLOCK_LI:
            // An item without text still shows its marker.
            if (inline_.empty() && !containers_.back().has_block) emit(take_prefix());
            flush();
            containers_.pop_back();
            return;
        case MD_BLOCK_QUOTE:
        case MD_BLOCK_UL:
        case MD_BLOCK_OL:
            flush();
            containers_.pop_back();
            return;
        case MD_BLOCK_TH: styles_.pop_back(); [[fallthrough]];
        case MD_BLOCK_TD:
            table_.add_cell(std::move(inline_));
            inline_.clear();
            return;
        case MD_BLOCK_TABLE:
            in_table_ = false;
            for (const StyledText& line : table_.lay_out(text_width())) {
                StyledText out = take_prefix();
                out.insert(out.end(), line.begin(), line.end());
                emit(out);
            }
            return;
        default: return;
    }
}

void Renderer::finish_code() {
    in_code_ = false;
    StyledText code = std::move(inline_);
    inline_.clear();
    if (!code_language_.empty()) {
        append_cells(inline_, code_language_, kDimmed);
        flush(true);
    }
    if (!code.empty() && code.back().text == "\n") code.pop_back();
    open({.first = "  ", .others = "  "});
    inline_ = std::move(code);
    if (inline_.empty()) append_cells(inline_, " ", 0);
    flush(true);
    containers_.pop_back();
    containers_.back().has_block = true;
}

void Renderer::enter_span(MD_SPANTYPE type) {
    uint8_t style = styles_.back();
    switch (type) {
        case MD_SPAN_EM: style |= kItalic; break;
        case MD_SPAN_STRONG: style |= kBold; break;
        case MD_SPAN_DEL: style |= kStruck; break;
        case MD_SPAN_CODE: style |= kCode; break;
        case MD_SPAN_U: style |= kUnderlined; break;
        case MD_SPAN_A:
        case MD_SPAN_IMG:
            style |= kUnderlined;
            link_starts_.push_back(inline_.size());
            break;
        case MD_SPAN_LATEXMATH: append_cells(inline_, "$", style); break;
        case MD_SPAN_LATEXMATH_DISPLAY: append_cells(inline_, "$$", style); break;
        case MD_SPAN_WIKILINK: break;
    }
    styles_.push_back(style);
    if (type == MD_SPAN_CODE && !colors_) append_cells(inline_, "`", style);
}

void Renderer::leave_span(MD_SPANTYPE type, void* detail) {
    if (type == MD_SPAN_CODE && !colors_) append_cells(inline_, "`", styles_.back());
    styles_.pop_back();
    if (type == MD_SPAN_LATEXMATH) append_cells(inline_, "$", styles_.back());
    if (type == MD_SPAN_LATEXMATH_DISPLAY) append_cells(inline_, "$$", styles_.back());
    if (type != MD_SPAN_A && type != MD_SPAN_IMG) return;
    const MD_ATTRIBUTE& target = type == MD_SPAN_A ? static_cast<MD_SPAN_A_DETAIL*>(detail)->href
                                                   : static_cast<MD_SPAN_IMG_DETAIL*>(detail)->src;
    const std::string address = target.text == nullptr ? "" : std::string(target.text, target.size);
    std::string shown;
    for (size_t i = link_starts_.back(); i < inline_.size(); ++i) shown += inline_[i].text;
    link_starts_.pop_back();
    // A bare link is its own text.
    if (!address.empty() && !address.ends_with(shown))
        append_cells(inline_, " (" + address + ")", kDimmed);
}

void Renderer::add_text(MD_TEXTTYPE type, std::string_view text) {
    const uint8_t style = in_code_ ? uint8_t{kCode} : styles_.back();
    switch (type) {
        case MD_TEXT_NULLCHAR: return append_cells(inline_, kReplacementCharacter, style);
        // People and models mean the line breaks they write.
        case MD_TEXT_BR:
        case MD_TEXT_SOFTBR: return append_cells(inline_, in_table_ ? " " : "\n", style);
        case MD_TEXT_ENTITY: return append_cells(inline_, decode_entity(text), style);
        default: return append_cells(inline_, text, style);
    }
}

}  // namespace

std::vector<std::string> render_markdown(std::string_view source, int width, bool colors) {
    Renderer renderer(static_cast<size_t>(std::max(width, 8)), colors);
    MD_PARSER parser = {};
    parser.flags =
        MD_DIALECT_GITHUB | MD_FLAG_NOHTML | MD_FLAG_LATEXMATHSPANS | MD_FLAG_NOINDENTEDCODEBLOCKS;
    parser.enter_block = [](MD_BLOCKTYPE type, void* detail, void* user) {
        static_cast<Renderer*>(user)->enter_block(type, detail);
        return 0;
    };
    parser.leave_block = [](MD_BLOCKTYPE type, void*, void* user) {
        static_cast<Renderer*>(user)->leave_block(type);
        return 0;
    };
    parser.enter_span = [](MD_SPANTYPE type, void*, void* user) {
        static_cast<Renderer*>(user)->enter_span(type);
        return 0;
    };
    parser.leave_span = [](MD_SPANTYPE type, void* detail, void* user) {
        static_cast<Renderer*>(user)->leave_span(type, detail);
        return 0;
    };
    parser.text = [](MD_TEXTTYPE type, const MD_CHAR* text, MD_SIZE size, void* user) {
        static_cast<Renderer*>(user)->add_text(type, {text, size});
        return 0;
    };
    md_parse(source.data(), static_cast<MD_SIZE>(source.size()), &parser, &renderer);
    return renderer.take_lines();
}

}  // namespace facet::app
