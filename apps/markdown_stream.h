// Markdown that is still being written, on a terminal: each block is drawn as it grows and redrawn
// where its rendering changes, and left alone once it is complete.
//
// Owns finding the ends of blocks and the redrawing. Only lines that are certainly still on the
// screen are ever rewritten, so a block taller than the screen scrolls like any text.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "console.h"

namespace facet::app {

// Finds where a block ends in text that arrives in pieces: after a blank line, outside code fences,
// at a line that is not indented (an indented one may belong to a list item).
class BlockSplitter {
  public:
    // Scans on in `text`, which has only grown since the last call; the end of its first block, or
    // npos.
    size_t find_end(std::string_view text);
    void restart() { *this = BlockSplitter(); }

  private:
    void scan_line(std::string_view line);

    size_t scanned_ = 0;  // a line's start; everything before is taken into account
    bool has_text_ = false;
    bool after_blank_ = false;
    char fence_ = 0;  // '`' or '~' inside a code fence
    size_t fence_length_ = 0;
};

class MarkdownStream {
  public:
    using Write = std::function<void(std::string_view)>;

    // `size` is asked before each drawing; the terminal may be resized.
    MarkdownStream(bool colors, std::function<TerminalSize()> size, Write write);

    void append(std::string_view text);
    // Completes what is pending and ends the line. The stream can be used again.
    void finish();

  private:
    void draw();
    void draw_lines(std::vector<std::string> lines);
    void end_block();

    bool colors_;
    std::function<TerminalSize()> size_;
    Write write_;
    BlockSplitter splitter_;
    std::string pending_;     // source of the block being written
    size_t drawn_bytes_ = 0;  // of pending_, at the last drawing
    std::vector<std::string>
        shown_;             // its lines on the screen; the cursor is at the end of the last
    size_t reachable_ = 0;  // index of the first line that can be rewritten
    TerminalSize block_size_;
    bool any_block_ = false;
};

}  // namespace facet::app
