// What was typed before, newest last, and the walk through it with the arrow keys.
//
// Kept in a file readable by its owner only, one entry a line with "\n" and "\\" escaped; several
// programs may append.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace facet::app {

inline constexpr size_t kHistoryEntriesMax = 1000;

class History {
  public:
    // Without a file the history lives only as long as the program.
    History() = default;
    // An unreadable or unwritable file is no error: the history is then what it can be.
    explicit History(std::string path);

    // Appends, unless it repeats the last entry or is blank. Ends the walk.
    void add(const std::string& entry);

    // One step back / forth; nothing at the ends. `current` is what is being edited and comes back
    // at the newest end.
    std::optional<std::string> older(const std::string& current);
    std::optional<std::string> newer();
    void end_walk() { at_ = entries_.size(); }

    const std::vector<std::string>& entries() const { return entries_; }

  private:
    std::string path_;
    std::vector<std::string> entries_;
    size_t at_ = 0;  // entries_.size(): not walking
    std::string draft_;
};

}  // namespace facet::app
