// See interrupt.h. Handlers call only async-signal-safe functions (POSIX.1-2017, 2.4.3), tcsetattr
// among them.
#include "interrupt.h"

#include <fcntl.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "console.h"

namespace facet::app {

namespace {

constexpr std::string_view kPasteOn = "\x1b[?2004h";
constexpr std::string_view kPasteOff = "\x1b[?2004l";
constexpr int kInterruptsMax = 3;

std::atomic<facet_session*> g_session{nullptr};
std::atomic<int> g_interrupts{0};

termios g_original = {};
std::atomic<bool> g_saved{false};
std::atomic<InputMode> g_mode{InputMode::kOriginal};

static_assert(std::atomic<facet_session*>::is_always_lock_free);
static_assert(std::atomic<InputMode>::is_always_lock_free);

void restore_terminal() {
    if (g_mode.exchange(InputMode::kOriginal) == InputMode::kOriginal) return;
    write_raw(kStdout, kPasteOff);
    tcsetattr(kStdin, TCSANOW, &g_original);
}

// For signals that end the program: puts the terminal back, then lets the signal do what it does by
// default.
void restore_and_raise(int signal_number) {
    restore_terminal();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

void count_interrupt(int signal_number) {
    if (g_interrupts.fetch_add(1) + 1 >= kInterruptsMax) restore_and_raise(signal_number);
    facet_session* session = g_session.load();
    if (session != nullptr) facet_session_cancel(session);
}

int g_end_pipe[2] = {-1, -1};  // a handler writes to it, EndSignals::wait() reads

void note_end(int signal_number) {
    if (g_interrupts.fetch_add(1) > 0) restore_and_raise(signal_number);
    const char byte = 0;
    [[maybe_unused]] const auto written = write(g_end_pipe[1], &byte, 1);
}

// No SA_RESTART: a blocking read must notice.
void handle(int signal_number, void (*handler)(int)) {
    struct sigaction action = {};
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    sigaction(signal_number, &action, nullptr);
}

bool save_terminal() {
    if (g_saved.load()) return true;
    if (!isatty(kStdin) || tcgetattr(kStdin, &g_original) != 0) return false;
    g_saved = true;
    std::atexit(restore_terminal);
    for (const int ending : {SIGTERM, SIGHUP, SIGQUIT, SIGABRT}) handle(ending, restore_and_raise);
    return true;
}

}  // namespace

EndSignals::EndSignals() {
    g_interrupts = 0;
    if (pipe2(g_end_pipe, O_CLOEXEC) != 0) g_end_pipe[0] = g_end_pipe[1] = -1;
    for (const int ending : {SIGINT, SIGTERM}) handle(ending, note_end);
}

EndSignals::~EndSignals() {
    for (const int ending : {SIGINT, SIGTERM}) handle(ending, SIG_DFL);
    for (const int end : g_end_pipe) close(end);
}

void EndSignals::wait() {
    char byte = 0;
    while (read(g_end_pipe[0], &byte, 1) < 0 && errno == EINTR) {
    }
}

InterruptScope::InterruptScope(facet_session* session) {
    g_interrupts = 0;
    g_session = session;
    handle(SIGINT, count_interrupt);
}

InterruptScope::~InterruptScope() {
    handle(SIGINT, SIG_DFL);
    g_session = nullptr;
}

int InterruptScope::take() { return g_interrupts.exchange(0); }

int InterruptScope::pending() { return g_interrupts.load(); }

void set_input_mode(InputMode mode) {
    if (!save_terminal()) return;
    if (mode == InputMode::kOriginal) return restore_terminal();
    termios changed = g_original;
    changed.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ECHONL | IEXTEN);
    changed.c_cc[VMIN] = 1;
    changed.c_cc[VTIME] = 0;
    if (mode == InputMode::kEditing) {
        changed.c_lflag &= ~static_cast<tcflag_t>(ISIG);
        changed.c_iflag &= ~static_cast<tcflag_t>(ICRNL | INLCR | IGNCR | ISTRIP | IXON);
    }
    g_mode = mode;
    // TCSADRAIN keeps what was typed ahead.
    tcsetattr(kStdin, TCSADRAIN, &changed);
    write_raw(kStdout, mode == InputMode::kEditing ? kPasteOn : kPasteOff);
}

}  // namespace facet::app
