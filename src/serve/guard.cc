// See guard.h.
#include "serve/guard.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>

namespace facet::serve {

namespace {

struct Authority {
    std::string name;  // lower case, IPv6 without brackets, no final dot
    std::string port;  // empty: none given
};

// "name", "name:80", "[::1]:80". Nothing if it is none of these.
std::optional<Authority> parse_authority(std::string_view text) {
    Authority out;
    std::string_view rest;
    if (text.starts_with('[')) {
        const size_t end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        out.name = to_lower(text.substr(1, end - 1));
        rest = text.substr(end + 1);
    } else {
        const size_t colon = std::min(text.find(':'), text.size());
        out.name = to_lower(text.substr(0, colon));
        rest = text.substr(colon);
    }
    if (out.name.ends_with('.')) out.name.pop_back();
    if (out.name.empty() || out.name.find('@') != std::string::npos) return std::nullopt;
    if (rest.empty()) return out;
    out.port = rest.substr(1);
    if (rest[0] != ':' || out.port.find_first_not_of("0123456789") != std::string::npos) {
        return std::nullopt;
    }
    return out;
}

bool is_ip_address(const std::string& text) {
    in6_addr parsed;
    return inet_pton(AF_INET, text.c_str(), &parsed) == 1 ||
           inet_pton(AF_INET6, text.c_str(), &parsed) == 1;
}

bool is_any_address(std::string_view address) { return address == "0.0.0.0" || address == "::"; }

// Whether the origin is the page of this server itself, seen through the Host it was asked by.
bool is_same_origin(std::string_view origin, std::string_view host) {
    const size_t scheme_end = origin.find("://");
    if (scheme_end == std::string_view::npos) return false;
    auto from = parse_authority(origin.substr(scheme_end + 3));
    auto to = parse_authority(host);
    if (!from || !to) return false;
    const std::string_view standard_port = origin.starts_with("https:") ? "443" : "80";
    if (from->port.empty()) from->port = standard_port;
    if (to->port.empty()) to->port = standard_port;
    return from->name == to->name && from->port == to->port;
}

}  // namespace

Guard::Guard(const GuardOptions& options, const std::vector<std::string>& bound_addresses)
    : hosts_({"localhost", "127.0.0.1", "::1"}) {
    for (const std::string& key : options.api_keys) keys_.push_back(digest(key));
    for (const std::string& address : bound_addresses) hosts_.push_back(to_lower(address));
    for (const std::string& host : options.allowed_hosts) {
        if (host == "*") any_host_ = true;
        hosts_.push_back(to_lower(host));
    }
    for (const std::string& origin : options.cors_origins) {
        if (origin == "*") any_origin_ = true;
        origins_.push_back(to_lower(origin));
    }
    // A server on all addresses is asked by any of them; an address can not be rebound, a name can.
    any_address_ = std::any_of(bound_addresses.begin(), bound_addresses.end(), is_any_address);
}

bool Guard::allows_host(std::string_view host) const {
    if (any_host_) return true;
    const auto authority = parse_authority(host);
    if (!authority) return false;
    if (any_address_ && is_ip_address(authority->name)) return true;
    return std::find(hosts_.begin(), hosts_.end(), authority->name) != hosts_.end();
}

bool Guard::allows_origin(std::string_view origin) const {
    return any_origin_ ||
           std::find(origins_.begin(), origins_.end(), to_lower(origin)) != origins_.end();
}

std::optional<Response> Guard::check_origin(const Request& request) const {
    const std::string* host = request.headers.find("host");
    // Only HTTP/1.0 comes without one, and no browser speaks that.
    if (host != nullptr && !allows_host(*host)) {
        return error_response(
            403,
            fmt::format("this server does not go by the name '{}'; --allowed-host adds it", *host));
    }
    const std::string* origin = request.headers.find("origin");
    if (origin == nullptr || allows_origin(*origin)) return std::nullopt;
    if (host != nullptr && is_same_origin(*origin, *host)) return std::nullopt;
    return error_response(
        403, fmt::format("pages of '{}' may not use this server; --cors-origin adds it", *origin));
}

std::optional<Response> Guard::check_key(const Request& request) const {
    if (keys_.empty()) return std::nullopt;
    constexpr std::string_view kBearer = "bearer ";
    bool valid = false;
    for (const auto& [name, value] : request.headers.all()) {
        const std::string_view text = value;
        if (name == "x-api-key") {
            valid |= is_key(text);
        } else if (name == "authorization" &&
                   equals_ignoring_case(text.substr(0, kBearer.size()), kBearer)) {
            valid |= is_key(trim(text.substr(kBearer.size())));
        }
    }
    if (valid) return std::nullopt;
    Response refusal = error_response(401, "this server asks for an API key");
    refusal.headers.add("www-authenticate", "Bearer");
    return refusal;
}

std::optional<Response> Guard::preflight(const Request& request) const {
    const std::string* method = request.headers.find("access-control-request-method");
    if (request.method != "OPTIONS" || method == nullptr ||
        request.headers.find("origin") == nullptr) {
        return std::nullopt;
    }
    Response response;
    response.status = 204;
    response.headers.add("access-control-allow-methods", *method);
    if (const auto* headers = request.headers.find("access-control-request-headers")) {
        response.headers.add("access-control-allow-headers", *headers);
    }
    // Pages from the public net that reach into a private one ask for this too.
    if (request.headers.find("access-control-request-private-network") != nullptr) {
        response.headers.add("access-control-allow-private-network", "true");
    }
    response.headers.add("access-control-max-age", "600");
    return response;
}

void Guard::add_cors_headers(const Request& request, Headers& headers) const {
    if (origins_.empty()) return;
    headers.add("vary", "Origin");
    const std::string* origin = request.headers.find("origin");
    if (origin == nullptr || !allows_origin(*origin)) return;
    headers.add("access-control-allow-origin", *origin);
    headers.add("access-control-expose-headers", "x-request-id, retry-after");
}

Guard::Digest Guard::digest(std::string_view text) {
    Digest out;
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data());
    return out;
}

bool Guard::is_key(std::string_view candidate) const {
    const Digest given = digest(candidate);
    int found = 0;
    for (const Digest& key : keys_) {
        found |= static_cast<int>(CRYPTO_memcmp(given.data(), key.data(), key.size()) == 0);
    }
    return found != 0;
}

bool is_loopback(std::string_view address) {
    const std::string text(address);
    in_addr v4;
    if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
    in6_addr v6;
    return inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

Status check_exposure(const std::vector<std::string>& bound_addresses, bool has_keys,
                      bool insecure) {
    if (has_keys || insecure) return {};
    for (const std::string& address : bound_addresses) {
        if (!is_loopback(address)) {
            return invalid_input(fmt::format(
                "--host: on {} others can reach the server, so set --api-key (or --insecure, to "
                "let everyone in)",
                address));
        }
    }
    return {};
}

}  // namespace facet::serve
