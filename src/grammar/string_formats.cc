#include "grammar/string_formats.h"

#include <algorithm>
#include <array>
#include <utility>

namespace facet {

namespace {

// Days that all months have, that all but February have, the 31st, and leap days.
#define FACET_DATE                                                                        \
    "([0-9]{4}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|"         \
    "(0[13578]|1[02])-31)|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579]" \
    "[26])00)-02-29)"
#define FACET_TIME                                                         \
    "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01]" \
    "[0-9]|2[0-3]):[0-5][0-9])"
#define FACET_LABEL "[A-Za-z0-9]([A-Za-z0-9-]{0,58}[A-Za-z0-9])?"
#define FACET_HOST FACET_LABEL "(\\." FACET_LABEL "){0,3}"
#define FACET_BYTE "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define FACET_IPV4 FACET_BYTE "(\\." FACET_BYTE "){3}"
#define FACET_H16 "[0-9A-Fa-f]{1,4}"
#define FACET_HEX "[0-9A-Fa-f]"
#define FACET_URI_CHARACTER "([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
#define FACET_CLOCK \
    "([0-9]{1,6}H([0-9]{1,6}M([0-9]{1,6}S)?)?|[0-9]{1,6}M([0-9]{1,6}S)?|[0-9]{1,6}S)"

constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kFormats = {{
    {"date", FACET_DATE},
    {"time", FACET_TIME},
    {"date-time", FACET_DATE "T" FACET_TIME},
    {"duration",
     "P(([0-9]{1,6}Y([0-9]{1,6}M([0-9]{1,6}D)?)?|[0-9]{1,6}M([0-9]{1,6}D)?|[0-9]{1,6}D)("
     "T" FACET_CLOCK ")?|T" FACET_CLOCK "|[0-9]{1,6}W)"},
    {"email",
     "[A-Za-z0-9_+-]{1,30}(\\.[A-Za-z0-9_+-]{1,30}){0,1}@" FACET_LABEL "(\\." FACET_LABEL "){1,3}"},
    {"hostname", FACET_HOST},
    {"ipv4", FACET_IPV4},
    {"ipv6",
     "((" FACET_H16 ":){7}" FACET_H16 "|::(" FACET_H16 "(:" FACET_H16 "){0,5})?|" FACET_H16
     "::(" FACET_H16 "(:" FACET_H16 "){0,4})?|" FACET_H16 ":" FACET_H16 "::(" FACET_H16
     "(:" FACET_H16 "){0,3})?|" FACET_H16 "(:" FACET_H16 "){2}::(" FACET_H16 "(:" FACET_H16
     "){0,2})?|" FACET_H16 "(:" FACET_H16 "){3}::(" FACET_H16 "(:" FACET_H16 ")?)?|" FACET_H16
     "(:" FACET_H16 "){4}::(" FACET_H16 ")?|" FACET_H16 "(:" FACET_H16 "){5}::)"},
    {"uuid", FACET_HEX "{8}-" FACET_HEX "{4}-" FACET_HEX "{4}-" FACET_HEX "{4}-" FACET_HEX "{12}"},
    {"uri", "[A-Za-z][A-Za-z0-9+.-]{0,20}://" FACET_HOST "(:[0-9]{1,5})?(/" FACET_URI_CHARACTER
            "*)*(\\?(" FACET_URI_CHARACTER "|[/?])*)?(#(" FACET_URI_CHARACTER "|[/?])*)?"},
    {"json-pointer", "(/([^/~]|~[01])*)*"},
    {"byte", "([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"},
}};

constexpr std::array<std::string_view, 4> kLoose = {"password", "binary", "float", "double"};

}  // namespace

std::optional<std::string_view> string_format(std::string_view format) {
    for (const auto& [name, expression] : kFormats) {
        if (name == format) return expression;
    }
    return std::nullopt;
}

bool is_loose_format(std::string_view format) {
    return std::find(kLoose.begin(), kLoose.end(), format) != kLoose.end();
}

}  // namespace facet
