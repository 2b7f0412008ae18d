// Bytes from a terminal to keys: UTF-8, control characters, escape sequences (ECMA-48 as xterm
// sends them) and bracketed paste. Knows no meaning of a key beyond its name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace facet::app {

enum class Key {
    kText,   // KeyPress::text was typed
    kPaste,  // KeyPress::text was pasted
    kEnter,
    kNewline,  // Alt-Enter
    kBackspace,
    kDelete,
    kLeft,
    kRight,
    kUp,
    kDown,
    kHome,
    kEnd,
    kWordLeft,
    kWordRight,
    kKillToHome,
    kKillToEnd,
    kKillWord,
    kInterrupt,   // Ctrl-C
    kEndOfInput,  // Ctrl-D
    kClearScreen,
    kSuspend,
    kUnknown,
};

struct KeyPress {
    Key key = Key::kUnknown;
    std::string text;
};

class KeyDecoder {
  public:
    void feed(std::string_view bytes) { buffer_ += bytes; }

    // The next complete key, or nothing if more bytes are needed.
    std::optional<KeyPress> next();

    // Whether an unfinished sequence is waiting; after a moment without more bytes,
    // drop_unfinished() gives it up (the Escape key alone looks like the start of a sequence).
    bool has_unfinished() const { return !buffer_.empty() && !in_paste_; }
    void drop_unfinished() { buffer_.clear(); }

  private:
    std::optional<KeyPress> next_escape();
    std::optional<KeyPress> next_paste();
    KeyPress take(size_t bytes, Key key);

    std::string buffer_;
    bool in_paste_ = false;
    size_t paste_scanned_ = 0;
};

}  // namespace facet::app
