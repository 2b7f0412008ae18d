// Running the built program from tests: with pipes, or on a pseudo-terminal.
//
// Everything has a generous time limit, after which the program is killed and the test fails with
// what was seen.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace facet {

struct ProgramResult {
    int code = -1;  // exit status; 128 + the signal if one ended it
    std::string out;
    std::string err;
};

// Runs `facet` with the arguments and the text on stdin. NO_COLOR and FACET_MODEL are unset.
ProgramResult run_facet(const std::vector<std::string>& arguments, const std::string& input = "");

// `facet` on a pseudo-terminal of 80 x 24.
class TerminalProgram {
  public:
    // `state_folder` becomes XDG_STATE_HOME.
    TerminalProgram(const std::vector<std::string>& arguments, const std::string& state_folder);
    ~TerminalProgram();
    TerminalProgram(const TerminalProgram&) = delete;
    TerminalProgram& operator=(const TerminalProgram&) = delete;

    void type(std::string_view keys);
    void signal(int number);
    // Reads until `text` appears in what came after the last wait_for(); false (and a test failure)
    // if it does not.
    bool wait_for(std::string_view text);
    // Waits for the end; the exit status as in ProgramResult.
    int wait_for_exit();
    const std::string& seen() const { return seen_; }
    // Whether the terminal echoes and reads by lines, as it did at first.
    bool is_in_original_mode() const;

  private:
    bool read_some();

    int pid_ = -1;
    int fd_ = -1;
    std::string seen_;
    size_t waited_ = 0;
};

// Starts `facet`, waits for `output` on stdout, sends SIGINT, and returns how it ended.
ProgramResult interrupt_facet(const std::vector<std::string>& arguments, const std::string& output);

// A folder of this test's own, empty.
std::string fresh_folder(const std::string& name);

}  // namespace facet
