// See line_editor.h.
#include "line_editor.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "console.h"
#include "interrupt.h"

namespace facet::app {

namespace {

constexpr int kEscapeTimeoutMs = 50;

// Rows between the top of the drawing and the cursor, as the terminal shows them now: one that has
// become narrower has wrapped the rows that were drawn.
size_t rows_above_cursor(const Layout& drawn, size_t first_row, size_t columns) {
    size_t rows = drawn.cursor_column / columns;
    for (size_t i = first_row; i < drawn.cursor_row; ++i) {
        rows += std::max<size_t>(1, (drawn.row_widths[i] + columns - 1) / columns);
    }
    return rows;
}

}  // namespace

// Waits for bytes and feeds them to the decoder. False if the terminal went away.
bool LineEditor::wait_for_input() {
    pollfd input = {kStdin, POLLIN, 0};
    TerminalSize size = terminal_size(kStdout);
    while (true) {
        // The tick notices a resized terminal without a signal handler of its own.
        constexpr int kTickMs = 250;
        const bool unfinished = decoder_.has_unfinished();
        const int ready = poll(&input, 1, unfinished ? kEscapeTimeoutMs : kTickMs);
        if (InterruptScope::take() > 0) {
            decoder_.feed("\x03");
            return true;
        }
        if (ready < 0 && errno != EINTR) return false;
        if (ready > 0) break;
        if (unfinished) decoder_.drop_unfinished();
        const TerminalSize now = terminal_size(kStdout);
        if (now.columns != size.columns || now.rows != size.rows) redraw();
        size = now;
    }
    char bytes[4096];
    const ssize_t count = ::read(kStdin, bytes, sizeof bytes);
    if (count > 0) decoder_.feed({bytes, static_cast<size_t>(count)});
    return count > 0 || (count < 0 && errno == EINTR);
}

LineEditor::Outcome LineEditor::read(const std::string& prompt, bool interrupted,
                                     std::string& text) {
    set_input_mode(InputMode::kEditing);
    prompt_ = prompt;
    interrupted_ = interrupted;
    buffer_.set("");
    on_screen_ = false;
    redraw();
    Step step = Step::kGoOn;
    while (step == Step::kGoOn) {
        bool changed = false;
        while (step == Step::kGoOn) {
            const auto press = decoder_.next();
            if (!press) break;
            step = apply(*press);
            changed = true;
        }
        if (changed) redraw();
        if (step == Step::kGoOn && !wait_for_input()) step = Step::kLeave;
    }
    leave_line();
    set_input_mode(InputMode::kAnswering);
    text = buffer_.text();
    if (step == Step::kLeave) return Outcome::kLeave;
    history_.add(text);
    return Outcome::kLine;
}

LineEditor::Step LineEditor::apply(const KeyPress& press) {
    if (press.key == Key::kInterrupt) return interrupt();
    interrupted_ = false;
    switch (press.key) {
        case Key::kEnter:
            if (buffer_.turn_backslash_into_newline()) return Step::kGoOn;
            buffer_.set(buffer_.text());
            return Step::kDone;
        case Key::kEndOfInput:
            if (buffer_.empty()) return Step::kLeave;
            buffer_.delete_forward();
            return Step::kGoOn;
        case Key::kClearScreen:
            write_raw(kStdout, "\x1b[H\x1b[2J");
            on_screen_ = false;
            return Step::kGoOn;
        case Key::kSuspend: suspend(); return Step::kGoOn;
        default: edit(press); return Step::kGoOn;
    }
}

LineEditor::Step LineEditor::interrupt() {
    if (interrupted_) return Step::kLeave;
    interrupted_ = true;
    leave_line();
    write_raw(kStdout, "(Ctrl-C again to leave)\n");
    buffer_.set("");
    history_.end_walk();
    return Step::kGoOn;
}

void LineEditor::edit(const KeyPress& press) {
    switch (press.key) {
        case Key::kText:
        case Key::kPaste: return buffer_.insert(press.text);
        case Key::kNewline: return buffer_.insert("\n");
        case Key::kBackspace: return buffer_.backspace();
        case Key::kDelete: return buffer_.delete_forward();
        case Key::kLeft: return buffer_.move_left();
        case Key::kRight: return buffer_.move_right();
        case Key::kUp: return buffer_.move_up() ? void() : walk_history(true);
        case Key::kDown: return buffer_.move_down() ? void() : walk_history(false);
        case Key::kHome: return buffer_.move_home();
        case Key::kEnd: return buffer_.move_end();
        case Key::kWordLeft: return buffer_.move_word_left();
        case Key::kWordRight: return buffer_.move_word_right();
        case Key::kKillToHome: return buffer_.kill_to_home();
        case Key::kKillToEnd: return buffer_.kill_to_end();
        case Key::kKillWord: return buffer_.kill_word();
        default: return;
    }
}

void LineEditor::walk_history(bool older) {
    auto entry = older ? history_.older(buffer_.text()) : history_.newer();
    if (entry) buffer_.set(std::move(*entry));
}

void LineEditor::redraw() {
    const TerminalSize size = terminal_size(kStdout);
    const auto columns = static_cast<size_t>(size.columns);
    std::string out;
    if (on_screen_) {
        const size_t up = rows_above_cursor(drawn_, first_row_, columns);
        if (up > 0) out += fmt::format("\x1b[{}A", up);
        out += "\r\x1b[J";
    }
    drawn_ = lay_out(buffer_, prompt_, columns);
    // A text taller than the screen is shown around the cursor.
    const size_t room = static_cast<size_t>(std::max(size.rows - 1, 1));
    first_row_ = drawn_.cursor_row >= room ? drawn_.cursor_row - room + 1 : 0;
    const size_t end = std::min(drawn_.rows.size(), first_row_ + room);
    for (size_t i = first_row_; i < end; ++i) {
        if (i > first_row_) out += "\n";
        const bool has_prompt = i == 0 && is_colored(kStdout);
        out += has_prompt ? "\x1b[1m" + prompt_ + "\x1b[0m" + drawn_.rows[0].substr(prompt_.size())
                          : drawn_.rows[i];
    }
    if (end - 1 > drawn_.cursor_row) out += fmt::format("\x1b[{}A", end - 1 - drawn_.cursor_row);
    out += "\r";
    if (drawn_.cursor_column > 0) out += fmt::format("\x1b[{}C", drawn_.cursor_column);
    write_raw(kStdout, out);
    on_screen_ = true;
}

// Puts the cursor on a fresh line below what is drawn.
void LineEditor::leave_line() {
    if (!on_screen_) return;
    const size_t below = drawn_.rows.size() - 1 - drawn_.cursor_row;
    write_raw(kStdout, (below > 0 ? fmt::format("\x1b[{}B", below) : "") + "\r\n");
    on_screen_ = false;
}

void LineEditor::suspend() {
    leave_line();
    set_input_mode(InputMode::kOriginal);
    raise(SIGTSTP);
    set_input_mode(InputMode::kEditing);
}

}  // namespace facet::app
