// Method and path to handler.
//
// Owns: the table of routes. Knows neither connections nor what handlers do.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http_message.h"
#include "serve/responder.h"

namespace facet::serve {

// Runs on one of the server's few handler threads and must not wait for anything long: it answers,
// or it hands the Responder on to who will.
using Handler = std::function<void(Request, Responder)>;

struct Route {
    std::string method;
    std::vector<std::string> segments;  // "{}" is any segment
    bool open_end = false;              // the pattern ended with "/*"
    bool needs_key = true;
    Handler handler;
};

class Router {
  public:
    // `pattern` is a path whose segments are fixed or {names}, as "/v1/models/{model}"; a last
    // segment "*" takes all that follows. The first route added that fits wins. A route for GET
    // serves HEAD too. `needs_key`: false for what everyone may read, such as a health check.
    void add(std::string method, std::string_view pattern, Handler handler, bool needs_key = true);

    struct Match {
        const Route* route = nullptr;  // null: 404, or 405 if `allow` is not empty
        std::vector<std::string> path_parameters;
        std::string allow;  // the methods that the path has, for the Allow header
    };
    Match find(std::string_view method, std::string_view path) const;

  private:
    std::vector<Route> routes_;
};

}  // namespace facet::serve
