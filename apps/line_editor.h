// Reads a message from a terminal: editing, history, paste, several lines.
//
// Owns the drawing of the line and what each key does. The text is line_buffer.h, the keys keys.h.
// Our own because Debian's libraries lack one or the other of UTF-8 with wide characters,
// multi-line text and bracketed paste under a licence that fits (readline is GPL-3).
#pragma once

#include <string>

#include "history.h"
#include "keys.h"
#include "line_buffer.h"

namespace facet::app {

class LineEditor {
  public:
    enum class Outcome {
        kLine,   // a message was entered
        kLeave,  // Ctrl-D on an empty line, Ctrl-C twice, or the terminal went away
    };

    explicit LineEditor(History history) : history_(std::move(history)) {}

    // Shows the prompt and returns when a message is complete. `interrupted`: Ctrl-C was pressed
    // just before, so that the next one leaves. Leaves the terminal in InputMode::kAnswering.
    Outcome read(const std::string& prompt, bool interrupted, std::string& text);

  private:
    enum class Step { kGoOn, kDone, kLeave };

    bool wait_for_input();
    Step apply(const KeyPress& press);
    Step interrupt();
    void edit(const KeyPress& press);
    void walk_history(bool older);
    void redraw();
    void leave_line();
    void suspend();

    History history_;
    KeyDecoder decoder_;  // keeps what was typed ahead
    LineBuffer buffer_;
    std::string prompt_;
    bool interrupted_ = false;
    Layout drawn_;  // what is on the screen
    size_t first_row_ =
        0;  // of drawn_, that is shown; more than 0 if the text is taller than the screen
    bool on_screen_ = false;
};

}  // namespace facet::app
