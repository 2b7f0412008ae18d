// See environment.h. XDG_STATE_HOME as in the XDG Base Directory Specification: a relative path
// there is ignored.
#include "environment.h"

#include <cstdlib>

namespace facet::app {

namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

Environment read_environment() {
    Environment environment;
    environment.model = variable("FACET_MODEL");
    environment.isa = variable("FACET_ISA");
    environment.cache_dir = variable("FACET_CACHE_DIR");
    environment.colors = variable("NO_COLOR").empty();
    const std::string term = variable("TERM");
    environment.dumb_terminal = term.empty() || term == "dumb";
    const std::string state = variable("XDG_STATE_HOME");
    const std::string home = variable("HOME");
    if (state.starts_with('/')) {
        environment.state_folder = state + "/facet";
    } else if (home.starts_with('/')) {
        environment.state_folder = home + "/.local/state/facet";
    }
    return environment;
}

}  // namespace facet::app
