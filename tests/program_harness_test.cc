// See program_harness.h. Named _test.cc so that it is built into the test program.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "tests/program_harness.h"

namespace facet {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kTimeLimit = std::chrono::seconds(240);

// Replaces this process; does not return.
[[noreturn]] void become_facet(const std::vector<std::string>& arguments) {
    unsetenv("NO_COLOR");
    unsetenv("FACET_MODEL");
    std::vector<char*> argv = {const_cast<char*>(FACET_PROGRAM)};
    for (const std::string& argument : arguments)
        argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(FACET_PROGRAM, argv.data());
    _exit(127);
}

int status_code(int status) {
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// A child with three pipes.
class PipedProgram {
  public:
    explicit PipedProgram(const std::vector<std::string>& arguments) {
        int in[2], out[2], err[2];
        if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
            abort();
        pid_ = fork();
        if (pid_ == 0) {
            dup2(in[0], 0);
            dup2(out[1], 1);
            dup2(err[1], 2);
            become_facet(arguments);
        }
        for (const int theirs : {in[0], out[1], err[1]}) close(theirs);
        in_ = in[1];
        out_ = out[0];
        err_ = err[0];
    }

    void write(std::string_view text) {
        while (!text.empty()) {
            const ssize_t count = ::write(in_, text.data(), text.size());
            if (count <= 0) return;
            text.remove_prefix(static_cast<size_t>(count));
        }
    }
    void close_input() { close(std::exchange(in_, -1)); }
    void interrupt() { kill(pid_, SIGINT); }

    // Reads both outputs until `done` holds or both have ended.
    template <typename Done>
    void read_until(ProgramResult& result, const Done& done) {
        const auto limit = Clock::now() + kTimeLimit;
        pollfd polled[2] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
        while ((polled[0].fd >= 0 || polled[1].fd >= 0) && !done()) {
            if (Clock::now() > limit) {
                ADD_FAILURE() << "time limit; stdout: " << result.out << "\nstderr: " << result.err;
                kill(pid_, SIGKILL);
                return;
            }
            poll(polled, 2, 100);
            for (size_t i = 0; i < 2; ++i) {
                if (polled[i].fd < 0 || polled[i].revents == 0) continue;
                char bytes[65536];
                const ssize_t count = read(polled[i].fd, bytes, sizeof bytes);
                if (count <= 0) polled[i].fd = -1;
                if (count > 0)
                    (i == 0 ? result.out : result.err).append(bytes, static_cast<size_t>(count));
            }
        }
    }

    int wait() {
        int status = 0;
        waitpid(pid_, &status, 0);
        if (in_ >= 0) close(in_);
        close(out_);
        close(err_);
        return status_code(status);
    }

  private:
    pid_t pid_ = -1;
    int in_ = -1;
    int out_ = -1;
    int err_ = -1;
};

}  // namespace

ProgramResult run_facet(const std::vector<std::string>& arguments, const std::string& input) {
    ::signal(SIGPIPE, SIG_IGN);
    PipedProgram program(arguments);
    std::thread writer([&] {
        program.write(input);
        program.close_input();
    });
    ProgramResult result;
    program.read_until(result, [] { return false; });
    writer.join();
    result.code = program.wait();
    return result;
}

ProgramResult interrupt_facet(const std::vector<std::string>& arguments,
                              const std::string& output) {
    PipedProgram program(arguments);
    program.close_input();
    ProgramResult result;
    program.read_until(result, [&] { return result.out.find(output) != std::string::npos; });
    program.interrupt();
    program.read_until(result, [] { return false; });
    result.code = program.wait();
    return result;
}

TerminalProgram::TerminalProgram(const std::vector<std::string>& arguments,
                                 const std::string& state_folder) {
    winsize size = {24, 80, 0, 0};
    pid_ = forkpty(&fd_, nullptr, nullptr, &size);
    if (pid_ != 0) return;
    setenv("TERM", "xterm-256color", 1);
    setenv("XDG_STATE_HOME", state_folder.c_str(), 1);
    become_facet(arguments);
}

TerminalProgram::~TerminalProgram() {
    if (pid_ > 0) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    close(fd_);
}

void TerminalProgram::type(std::string_view keys) {
    while (!keys.empty()) {
        const ssize_t count = write(fd_, keys.data(), keys.size());
        if (count <= 0) return;
        keys.remove_prefix(static_cast<size_t>(count));
    }
}

void TerminalProgram::signal(int number) { kill(pid_, number); }

bool TerminalProgram::read_some() {
    pollfd polled = {fd_, POLLIN, 0};
    if (poll(&polled, 1, 100) <= 0) return true;
    char bytes[65536];
    const ssize_t count = read(fd_, bytes, sizeof bytes);
    if (count > 0) seen_.append(bytes, static_cast<size_t>(count));
    return count > 0;
}

bool TerminalProgram::wait_for(std::string_view text) {
    const auto limit = Clock::now() + kTimeLimit;
    while (true) {
        const size_t found = seen_.find(text, waited_);
        if (found != std::string::npos) {
            waited_ = found + text.size();
            return true;
        }
        if (!read_some() || Clock::now() > limit) break;
    }
    ADD_FAILURE() << "'" << text << "' did not come; seen: " << seen_;
    return false;
}

int TerminalProgram::wait_for_exit() {
    const auto limit = Clock::now() + kTimeLimit;
    int status = 0;
    while (waitpid(pid_, &status, WNOHANG) == 0) {
        read_some();
        if (Clock::now() > limit) {
            ADD_FAILURE() << "did not end; seen: " << seen_;
            return -1;
        }
    }
    while (true) {
        const size_t before = seen_.size();
        if (!read_some() || seen_.size() == before) break;
    }
    pid_ = -1;
    return status_code(status);
}

bool TerminalProgram::is_in_original_mode() const {
    termios mode = {};
    return tcgetattr(fd_, &mode) == 0 && (mode.c_lflag & ICANON) && (mode.c_lflag & ECHO) &&
           (mode.c_lflag & ISIG) && (mode.c_iflag & ICRNL);
}

std::string fresh_folder(const std::string& name) {
    const auto folder = std::filesystem::path(testing::TempDir()) /
                        ("facet_program_test_" + name + "_" + std::to_string(getpid()));
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    return folder.string();
}

}  // namespace facet
