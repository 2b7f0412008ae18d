// Every environment variable that the program reads, in one place.
//
// Nothing else in apps/ calls getenv; a new variable is a new member here.
#pragma once

#include <string>

namespace facet::app {

struct Environment {
    std::string model;  // FACET_MODEL: the model file when -m is not given
    std::string isa;    // FACET_ISA: the CPU's instruction set when --isa is not given
    std::string
        cache_dir;       // FACET_CACHE_DIR: where prefixes are saved when --cache-dir is not given
    bool colors = true;  // false if NO_COLOR is set and not empty (no-color.org)
    bool dumb_terminal = true;  // TERM is unset, empty or "dumb": no cursor movement, no colours
    std::string state_folder;   // $XDG_STATE_HOME/facet, else $HOME/.local/state/facet; empty if
                                // neither is set
};

// Reads the variables anew at each call (tests change them).
Environment read_environment();

}  // namespace facet::app
