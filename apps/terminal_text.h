// What text may reach a terminal, and how much room it takes there.
//
// Owns: neutralizing control characters in text that a model or a file wrote, display widths, and
// the borders between what a reader sees as characters. Widths and borders are utf8proc's (Unicode
// UAX 11 and UAX 29).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace facet::app {

// The text with everything a terminal could obey made visible: C0 controls except newline and tab
// become their Unicode pictures (ESC is U+241B), C1 controls, bidirectional overrides and invalid
// UTF-8 become U+FFFD.
std::string neutralize(std::string_view text);

// Columns the text takes on a terminal; a tab counts as kTabWidth, a newline as none.
size_t display_width(std::string_view text);
inline constexpr size_t kTabWidth = 4;

// The end of the grapheme cluster that starts at byte `at`, and the start of the one that ends
// there.
size_t next_cluster(std::string_view text, size_t at);
size_t previous_cluster(std::string_view text, size_t at);

}  // namespace facet::app
