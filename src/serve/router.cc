// See router.h.
#include "serve/router.h"

#include <algorithm>

#include "base/check.h"

namespace facet::serve {

namespace {

constexpr std::string_view kAnySegment = "{}";

// "/a/b" has the segments "a" and "b", "/" has one that is empty.
std::vector<std::string_view> split(std::string_view path) {
    std::vector<std::string_view> segments;
    path.remove_prefix(1);
    for (;;) {
        const size_t slash = path.find('/');
        segments.push_back(path.substr(0, slash));
        if (slash == std::string_view::npos) return segments;
        path.remove_prefix(slash + 1);
    }
}

// The decoded values of the route's open places, or nothing if the path is another one.
std::optional<std::vector<std::string>> match(const Route& route,
                                              const std::vector<std::string_view>& segments) {
    const size_t fixed = route.segments.size();
    if (route.open_end ? segments.size() <= fixed : segments.size() != fixed) return std::nullopt;
    std::vector<std::string> parameters;
    for (size_t i = 0; i < fixed; ++i) {
        auto value = percent_decode(segments[i], false);
        if (!value) return std::nullopt;
        if (route.segments[i] != kAnySegment) {
            if (route.segments[i] != *value) return std::nullopt;
        } else if (value->empty()) {
            return std::nullopt;
        } else {
            parameters.push_back(std::move(*value));
        }
    }
    if (!route.open_end) return parameters;
    std::string rest;
    for (size_t i = fixed; i < segments.size(); ++i) {
        const auto value = percent_decode(segments[i], false);
        // What a file system would read as another place is no name here.
        if (!value || *value == "." || *value == ".." || value->find('/') != std::string::npos) {
            return std::nullopt;
        }
        rest += (i > fixed ? "/" : "") + *value;
    }
    parameters.push_back(std::move(rest));
    return parameters;
}

void allow(std::string& list, std::string_view method) {
    list += (list.empty() ? "" : ", ") + std::string(method);
}

}  // namespace

void Router::add(std::string method, std::string_view pattern, Handler handler, bool needs_key) {
    FACET_CHECK(pattern.starts_with('/'));
    Route route{std::move(method), {}, false, needs_key, std::move(handler)};
    for (const std::string_view segment : split(pattern)) {
        const bool is_open = segment.starts_with('{') && segment.ends_with('}');
        route.segments.emplace_back(is_open ? kAnySegment : segment);
    }
    if (route.segments.back() == "*") {
        route.open_end = true;
        route.segments.pop_back();
    }
    routes_.push_back(std::move(route));
}

Router::Match Router::find(std::string_view method, std::string_view path) const {
    Match found;
    if (!path.starts_with('/')) return found;
    const std::vector<std::string_view> segments = split(path);
    std::vector<std::string_view> methods;
    for (const Route& route : routes_) {
        auto parameters = match(route, segments);
        if (!parameters) continue;
        if (route.method == method || (route.method == "GET" && method == "HEAD")) {
            return {&route, std::move(*parameters), {}};
        }
        if (std::find(methods.begin(), methods.end(), route.method) == methods.end()) {
            methods.push_back(route.method);
        }
    }
    for (const std::string_view known : methods) {
        allow(found.allow, known);
        if (known == "GET") allow(found.allow, "HEAD");
    }
    return found;
}

}  // namespace facet::serve
