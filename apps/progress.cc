// See progress.h.
#include "progress.h"

#include <fmt/format.h>

#include <algorithm>

#include "console.h"

namespace facet::app {

namespace {

constexpr auto kQuietTime = std::chrono::milliseconds(500);
constexpr auto kRedrawTime = std::chrono::milliseconds(100);

}  // namespace

ProgressBar::ProgressBar(std::string label, std::string unit)
    : label_(std::move(label)), unit_(std::move(unit)), terminal_(is_terminal(kStderr)) {}

void ProgressBar::update(int done, int total) {
    const auto now = Clock::now();
    if (!terminal_ || now - started_ < kQuietTime || now - drawn_ < kRedrawTime) return;
    drawn_ = now;
    shown_ = true;
    write_raw(kStderr,
              "\r" + progress_line(label_, done, total, terminal_size(kStderr).columns, unit_) +
                  "\x1b[K");
}

void ProgressBar::clear() {
    if (shown_) write_raw(kStderr, "\r\x1b[K");
    shown_ = false;
}

std::string progress_line(const std::string& label, int done, int total, int columns,
                          const std::string& unit) {
    const std::string count = fmt::format("{}/{}{}", grouped(done), grouped(total), unit);
    const int room = columns - static_cast<int>(label.size() + count.size()) - 6;
    const int width = std::clamp(room, 0, 40);
    if (width < 5 || total <= 0) return count;
    const int filled = static_cast<int>(int64_t{std::clamp(done, 0, total)} * width / total);
    return fmt::format("{} [{:#<{}}{:.<{}}] {}", label, "", filled, "", width - filled, count);
}

std::string grouped(long long number) {
    std::string digits = fmt::format("{}", number);
    const size_t sign = number < 0 ? 1 : 0;
    for (size_t i = digits.size(); i > sign + 3; i -= 3) digits.insert(i - 3, ",");
    return digits;
}

}  // namespace facet::app
