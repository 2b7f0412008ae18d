// Ctrl-C and the signals that end a program, and the terminal's input mode, which they must leave
// as it was.
//
// Everything a signal handler touches is here. Knows no commands.
#pragma once

#include "facet/facet.h"

namespace facet::app {

// While one exists, SIGINT no longer ends the program: it is counted, a blocking read returns
// EINTR, and the session's running answer is cancelled. The third without a take() in between ends
// the program after all. At most one at a time.
class InterruptScope {
  public:
    // `session` may be null and must outlive the scope.
    explicit InterruptScope(facet_session* session);
    ~InterruptScope();
    InterruptScope(const InterruptScope&) = delete;
    InterruptScope& operator=(const InterruptScope&) = delete;

    // How many came since the last take(); pending() leaves them.
    static int take();
    static int pending();
};

// While one exists, SIGINT and SIGTERM no longer end the program: the first one is waited for, the
// second ends it after all. At most one at a time, and not beside an InterruptScope.
class EndSignals {
  public:
    EndSignals();
    ~EndSignals();
    EndSignals(const EndSignals&) = delete;
    EndSignals& operator=(const EndSignals&) = delete;

    // Returns when the first has come.
    void wait();
};

enum class InputMode {
    kOriginal,   // as the program found it
    kEditing,    // every key arrives as it is typed, Ctrl-C included
    kAnswering,  // nothing is echoed, Ctrl-C is SIGINT; what is typed waits for the editor
};

// Switches the terminal on stdin; without effect where stdin is none. At exit, however it comes
// about short of SIGKILL, the terminal is as it was found.
void set_input_mode(InputMode mode);

}  // namespace facet::app
