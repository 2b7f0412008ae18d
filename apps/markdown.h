// Markdown to terminal lines: wrapped, indented, with SGR colours. Parsing is md4c's (CommonMark
// with GitHub's tables, strikethrough, task lists and bare links; raw HTML is plain text).
//
// Stateless: text in, lines out. Streaming is markdown_stream.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace facet::app {

// Each line is at most `width` columns, carries its own colours and ends with them off, and holds
// no control characters from the source. Without `colors` emphasis is not shown and code keeps its
// backticks.
std::vector<std::string> render_markdown(std::string_view source, int width, bool colors);

}  // namespace facet::app
