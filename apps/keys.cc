// See keys.h. Sequences: xterm's control sequences (ctlseqs), "PC-Style Function Keys" and
// "Bracketed Paste Mode".
#include "keys.h"

#include "base/utf8.h"

namespace facet::app {

namespace {

constexpr std::string_view kPasteStart = "\x1b[200~";
constexpr std::string_view kPasteEnd = "\x1b[201~";

Key control_key(char c) {
    switch (c) {
        case 0x01: return Key::kHome;
        case 0x02: return Key::kLeft;
        case 0x03: return Key::kInterrupt;
        case 0x04: return Key::kEndOfInput;
        case 0x05: return Key::kEnd;
        case 0x06: return Key::kRight;
        case 0x08:
        case 0x7f: return Key::kBackspace;
        case '\n':
        case '\r': return Key::kEnter;
        case 0x0b: return Key::kKillToEnd;
        case 0x0c: return Key::kClearScreen;
        case 0x0e: return Key::kDown;
        case 0x10: return Key::kUp;
        case 0x15: return Key::kKillToHome;
        case 0x17: return Key::kKillWord;
        case 0x1a: return Key::kSuspend;
        default: return Key::kUnknown;
    }
}

Key alt_key(char c) {
    switch (c) {
        case '\r':
        case '\n': return Key::kNewline;
        case 'b': return Key::kWordLeft;
        case 'f': return Key::kWordRight;
        case 0x08:
        case 0x7f: return Key::kKillWord;
        default: return Key::kUnknown;
    }
}

// A control sequence by its parameters and final byte; "1;5" is Ctrl held down, "1;3" is Alt.
Key sequence_key(std::string_view parameters, char final) {
    const bool word = parameters == "1;5" || parameters == "1;3";
    switch (final) {
        case 'A': return Key::kUp;
        case 'B': return Key::kDown;
        case 'C': return word ? Key::kWordRight : Key::kRight;
        case 'D': return word ? Key::kWordLeft : Key::kLeft;
        case 'H': return Key::kHome;
        case 'F': return Key::kEnd;
        case '~': break;
        default: return Key::kUnknown;
    }
    if (parameters == "1" || parameters == "7") return Key::kHome;
    if (parameters == "4" || parameters == "8") return Key::kEnd;
    if (parameters == "3") return Key::kDelete;
    return Key::kUnknown;
}

}  // namespace

KeyPress KeyDecoder::take(size_t bytes, Key key) {
    KeyPress press{key, buffer_.substr(0, bytes)};
    buffer_.erase(0, bytes);
    return press;
}

std::optional<KeyPress> KeyDecoder::next() {
    if (in_paste_) return next_paste();
    if (buffer_.empty()) return std::nullopt;
    if (buffer_[0] == '\x1b') return next_escape();
    const auto byte = static_cast<unsigned char>(buffer_[0]);
    if (byte == '\t') return take(1, Key::kText);
    if (byte < 0x20 || byte == 0x7f) return take(1, control_key(buffer_[0]));
    const Utf8Character c = decode_utf8(buffer_);
    if (c.incomplete) return std::nullopt;
    return take(c.bytes, c.valid ? Key::kText : Key::kUnknown);
}

std::optional<KeyPress> KeyDecoder::next_escape() {
    if (buffer_.size() < 2) return std::nullopt;
    if (buffer_[1] == 'O') {
        if (buffer_.size() < 3) return std::nullopt;
        const Key key = sequence_key("", buffer_[2]);
        return take(3, key);
    }
    if (buffer_[1] != '[') return take(2, alt_key(buffer_[1]));
    // Parameter and intermediate bytes, then a final one (ECMA-48, 5.4).
    size_t end = 2;
    while (end < buffer_.size() && buffer_[end] >= 0x20 && buffer_[end] < 0x40) ++end;
    if (end == buffer_.size()) return std::nullopt;
    if (buffer_.starts_with(kPasteStart)) {
        buffer_.erase(0, kPasteStart.size());
        in_paste_ = true;
        paste_scanned_ = 0;
        return next_paste();
    }
    const Key key = sequence_key(std::string_view(buffer_).substr(2, end - 2), buffer_[end]);
    return take(end + 1, key);
}

std::optional<KeyPress> KeyDecoder::next_paste() {
    const size_t end = buffer_.find(kPasteEnd, paste_scanned_);
    if (end == std::string::npos) {
        // The mark may be cut at the end of what has arrived.
        paste_scanned_ = buffer_.size() < kPasteEnd.size() ? 0 : buffer_.size() - kPasteEnd.size();
        return std::nullopt;
    }
    in_paste_ = false;
    KeyPress press = take(end, Key::kPaste);
    buffer_.erase(0, kPasteEnd.size());
    return press;
}

}  // namespace facet::app
