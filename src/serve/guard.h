// Who may talk to the server: API keys, and the checks that keep a web page in the user's browser
// from reaching it.
//
// Owns: the keys (as digests), the Host and Origin rules, CORS headers. Knows no routes.
//
// A page that resolves its own name to 127.0.0.1 (DNS rebinding) sends its own name as Host, and
// that is refused; a page elsewhere sends its Origin, and that is refused unless listed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serve/http_message.h"

namespace facet::serve {

struct GuardOptions {
    std::vector<std::string> api_keys;       // none: no key is asked for
    std::vector<std::string> allowed_hosts;  // names beside the loopback's; "*": any
    std::vector<std::string> cors_origins;   // as "https://example.org"; "*": any
};

class Guard {
  public:
    // `bound_addresses`: what the server listens on, without ports.
    Guard(const GuardOptions& options, const std::vector<std::string>& bound_addresses);

    // The refusal of a request whose Host or Origin may not be, or nothing.
    std::optional<Response> check_origin(const Request& request) const;
    // The refusal of a request without a valid key (Authorization: Bearer, or x-api-key), or
    // nothing. The comparison takes the same time whatever it is given.
    std::optional<Response> check_key(const Request& request) const;
    // The answer to a CORS preflight, or nothing if it is none. To be asked after check_origin().
    std::optional<Response> preflight(const Request& request) const;
    // The headers with which a browser lets the page of `request` read the answer.
    void add_cors_headers(const Request& request, Headers& headers) const;

  private:
    using Digest = std::array<uint8_t, 32>;

    bool allows_host(std::string_view host) const;
    bool allows_origin(std::string_view origin) const;
    bool is_key(std::string_view candidate) const;
    static Digest digest(std::string_view text);

    std::vector<Digest> keys_;
    std::vector<std::string> hosts_;
    std::vector<std::string> origins_;
    bool any_host_ = false;
    bool any_address_ = false;  // the server listens on all of them
    bool any_origin_ = false;
};

// Whether an address, as text, is one of this machine only: 127.0.0.0/8 or ::1.
bool is_loopback(std::string_view address);

// Listening on anything but loopback takes a key, or the user's word that none is wanted.
Status check_exposure(const std::vector<std::string>& bound_addresses, bool has_keys,
                      bool insecure);

}  // namespace facet::serve
