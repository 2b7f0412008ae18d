// Watches streamed text for strings that end it, holding back what could be the beginning of one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace facet {

class StopStrings {
  public:
    // Empty strings are ignored.
    explicit StopStrings(std::vector<std::string> stops);

    // The text that is certain now. After a stop string was found (stopped()), the text before it,
    // then nothing.
    std::string push(std::string_view text);
    // What was held back, at the end of the text.
    std::string finish();
    bool stopped() const { return stopped_; }
    // The stop string that was found, or nothing.
    const std::string& found() const { return found_; }

  private:
    std::vector<std::string> stops_;
    std::string held_;
    std::string found_;
    bool stopped_ = false;
};

}  // namespace facet
