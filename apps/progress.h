// A bar on stderr for work that takes more than a moment; nothing where stderr is no terminal.
#pragma once

#include <chrono>
#include <string>

namespace facet::app {

class ProgressBar {
  public:
    // `unit` follows the numbers, as " MB".
    explicit ProgressBar(std::string label, std::string unit = "");
    ~ProgressBar() { clear(); }

    // Draws at most a few times a second, and nothing for work that is done within half a second.
    void update(int done, int total);
    // Takes the bar off the screen.
    void clear();

  private:
    using Clock = std::chrono::steady_clock;

    std::string label_;
    std::string unit_;
    bool terminal_;
    bool shown_ = false;
    Clock::time_point started_ = Clock::now();
    Clock::time_point drawn_ = {};
};

// "label [#####.....] 512/2,048" and the unit, to fit `columns`.
std::string progress_line(const std::string& label, int done, int total, int columns,
                          const std::string& unit = "");

// 1234567 as "1,234,567".
std::string grouped(long long number);

}  // namespace facet::app
