// A JSON value that keeps what the chat format needs and a numeric type would lose: the order of
// keys and the exact spelling of numbers (12345678901234567890 and 2.0 must survive).
//
// Owns: the value, parsing (nlohmann/json's SAX parser under our limits) and printing. Knows no
// schema.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace facet {

// Nesting beyond this is refused, so that every recursion over a value is bounded.
inline constexpr size_t kJsonDepthMax = 200;

// What parse() refuses beyond malformed text; the defaults suit a request of limited size.
struct JsonLimits {
    size_t value_count_max =
        SIZE_MAX;  // values of any kind, nested ones included; bounds the memory
    bool refuse_repeated_keys = false;
};

struct Json {
    enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };

    Kind kind = Kind::kNull;
    bool boolean = false;
    std::string text;         // kString: the string itself. kNumber: the number as written.
    std::vector<Json> items;  // kArray
    std::vector<std::pair<std::string, Json>> members;  // kObject, in order; keys are unique

    // A null. Defined out of line: in C++20 clang 14 otherwise needs the members' type before it is
    // complete.
    Json();

    // Parses one value that fills the whole text. A repeated key keeps its first place and its last
    // value, as Python's json does. Errors: malformed JSON (with the byte position), nesting beyond
    // kJsonDepthMax, `limits`.
    static Result<Json> parse(std::string_view text, const JsonLimits& limits = {});

    static Json null() { return {}; }
    static Json of(bool value);
    static Json of(std::string_view value);
    static Json of(const char* value) { return of(std::string_view(value)); }
    static Json number(std::string lexeme);
    static Json number(
        double value);  // shortest text that reads back as the same double; null if not finite
    static Json integer(long long value);
    static Json unsigned_integer(uint64_t value);
    static Json rounded(double value, int digits);  // so many digits behind the point
    static Json array() { return of_kind(Kind::kArray); }
    static Json object() { return of_kind(Kind::kObject); }

    bool is_null() const { return kind == Kind::kNull; }
    bool is_bool() const { return kind == Kind::kBool; }
    bool is_number() const { return kind == Kind::kNumber; }
    bool is_string() const { return kind == Kind::kString; }
    bool is_array() const { return kind == Kind::kArray; }
    bool is_object() const { return kind == Kind::kObject; }
    bool is_true() const { return kind == Kind::kBool && boolean; }

    // The member of that name, or null if there is none (or this is no object).
    const Json* find(std::string_view key) const;
    // Sets or appends a member; returns *this so that objects can be built in one expression.
    Json& set(std::string key, Json value);
    Json& push(Json value);

    // A number as double / as integer. Errors: not a number, not an integer, out of range.
    Result<double> to_double() const;
    Result<long long> to_integer() const;

    // Compact JSON text, one line. Invalid UTF-8 in strings becomes U+FFFD, so the result is always
    // valid.
    std::string dump() const;

  private:
    static Json of_kind(Kind kind);
};

// Makes the keys of an object unique after members were appended directly: a repeated key keeps its
// first place and its last value. Linear, where Json::set() for every member would be quadratic.
// True if they were unique already.
bool drop_repeated_keys(Json& object);

// Appends `text` to `out` as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);

}  // namespace facet
