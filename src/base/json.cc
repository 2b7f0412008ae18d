#include "base/json.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/check.h"
#include "base/utf8.h"

namespace facet {

namespace {

// Builds a Json from nlohmann's parse events; returns false (stop) on the first thing it refuses.
class Builder {
  public:
    using number_integer_t = nlohmann::json::number_integer_t;
    using number_unsigned_t = nlohmann::json::number_unsigned_t;
    using number_float_t = nlohmann::json::number_float_t;
    using string_t = nlohmann::json::string_t;
    using binary_t = nlohmann::json::binary_t;

    explicit Builder(const JsonLimits& limits) : limits_(limits) {}

    bool null() { return add(Json::null()); }
    bool boolean(bool value) { return add(Json::of(value)); }
    bool number_integer(number_integer_t value) {
        return add(Json::number(fmt::format("{}", value)));
    }
    bool number_unsigned(number_unsigned_t value) {
        return add(Json::number(fmt::format("{}", value)));
    }
    bool number_float(number_float_t, const string_t& lexeme) { return add(Json::number(lexeme)); }
    bool string(string_t& value) { return add(Json::of(std::string_view(value))); }
    bool binary(binary_t&) { return false; }
    bool start_object(size_t) { return open(Json::object()); }
    bool start_array(size_t) { return open(Json::array()); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }
    bool key(string_t& name) {
        stack_.back().key = name;
        return true;
    }
    bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) {
        error_ = fmt::format("malformed JSON at byte {}", position);
        return false;
    }

    Json root;
    const std::string& error() const { return error_; }

  private:
    struct Level {
        Json value;
        std::string key;
    };

    bool open(Json value) {
        if (stack_.size() >= kJsonDepthMax) {
            error_ = fmt::format("JSON is nested deeper than {} levels", kJsonDepthMax);
            return false;
        }
        stack_.push_back({std::move(value), {}});
        return true;
    }

    bool close() {
        Json value = std::move(stack_.back().value);
        stack_.pop_back();
        if (!drop_repeated_keys(value) && limits_.refuse_repeated_keys) {
            error_ = "a key of a JSON object is repeated";
            return false;
        }
        return add(std::move(value));
    }

    bool add(Json value) {
        if (++value_count_ > limits_.value_count_max) {
            error_ = fmt::format("JSON of more than {} values", limits_.value_count_max);
            return false;
        }
        if (stack_.empty()) {
            root = std::move(value);
        } else if (stack_.back().value.is_array()) {
            stack_.back().value.items.push_back(std::move(value));
        } else {
            stack_.back().value.members.emplace_back(std::move(stack_.back().key),
                                                     std::move(value));
        }
        return true;
    }

    const JsonLimits& limits_;
    size_t value_count_ = 0;
    std::vector<Level> stack_;
    std::string error_;
};

void dump_to(const Json& json, std::string& out) {
    switch (json.kind) {
        case Json::Kind::kNull: out += "null"; return;
        case Json::Kind::kBool: out += json.boolean ? "true" : "false"; return;
        case Json::Kind::kNumber: out += json.text; return;
        case Json::Kind::kString: append_json_string(out, json.text); return;
        case Json::Kind::kArray: {
            out += '[';
            for (size_t i = 0; i < json.items.size(); ++i) {
                if (i > 0) out += ',';
                dump_to(json.items[i], out);
            }
            out += ']';
            return;
        }
        case Json::Kind::kObject: {
            out += '{';
            for (size_t i = 0; i < json.members.size(); ++i) {
                if (i > 0) out += ',';
                append_json_string(out, json.members[i].first);
                out += ':';
                dump_to(json.members[i].second, out);
            }
            out += '}';
            return;
        }
    }
}

}  // namespace

// Linear, because the number of keys is the sender's choice.
bool drop_repeated_keys(Json& object) {
    if (object.members.size() < 2) return true;
    std::unordered_map<std::string, size_t> places;
    places.reserve(object.members.size());
    size_t kept = 0;
    for (auto& member : object.members) {
        const auto [place, is_new] = places.try_emplace(member.first, kept);
        if (!is_new) {
            object.members[place->second].second = std::move(member.second);
        } else {
            if (&object.members[kept] != &member) object.members[kept] = std::move(member);
            ++kept;
        }
    }
    const bool unique = kept == object.members.size();
    object.members.resize(kept);
    return unique;
}

Json::Json() = default;

Result<Json> Json::parse(std::string_view text, const JsonLimits& limits) {
    Builder builder(limits);
    if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder))
        return invalid_input(builder.error());
    return std::move(builder.root);
}

Json Json::of_kind(Kind kind) {
    Json json;
    json.kind = kind;
    return json;
}

Json Json::of(bool value) {
    Json json = of_kind(Kind::kBool);
    json.boolean = value;
    return json;
}

Json Json::of(std::string_view value) {
    Json json = of_kind(Kind::kString);
    json.text = value;
    return json;
}

Json Json::number(std::string lexeme) {
    Json json = of_kind(Kind::kNumber);
    json.text = std::move(lexeme);
    return json;
}

Json Json::number(double value) {
    if (!std::isfinite(value)) return null();
    return number(fmt::format("{}", value));
}

Json Json::integer(long long value) { return number(fmt::format("{}", value)); }
Json Json::unsigned_integer(uint64_t value) { return number(fmt::format("{}", value)); }
Json Json::rounded(double value, int digits) {
    return number(fmt::format("{:.{}f}", value, digits));
}

const Json* Json::find(std::string_view key) const {
    for (const auto& [name, value] : members) {
        if (name == key) return &value;
    }
    return nullptr;
}

Json& Json::set(std::string key, Json value) {
    FACET_DCHECK(kind == Kind::kObject);
    for (auto& [name, old] : members) {
        if (name == key) {
            old = std::move(value);
            return *this;
        }
    }
    members.emplace_back(std::move(key), std::move(value));
    return *this;
}

Json& Json::push(Json value) {
    FACET_DCHECK(kind == Kind::kArray);
    items.push_back(std::move(value));
    return *this;
}

Result<double> Json::to_double() const {
    double value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (kind != Kind::kNumber || failure != std::errc() || end != text.data() + text.size()) {
        return invalid_input("expected a number");
    }
    return value;
}

Result<long long> Json::to_integer() const {
    long long value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (kind != Kind::kNumber || failure != std::errc() || end != text.data() + text.size()) {
        return invalid_input("expected an integer");
    }
    return value;
}

std::string Json::dump() const {
    std::string out;
    dump_to(*this, out);
    return out;
}

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    const std::string valid = replace_invalid_utf8(text);
    for (size_t i = 0; i < valid.size(); ++i) {
        const char c = valid[i];
        const std::string_view rest = std::string_view(valid).substr(i);
        switch (c) {
            case '"': out += "\\\""; continue;
            case '\\': out += "\\\\"; continue;
            case '\n': out += "\\n"; continue;
            case '\r': out += "\\r"; continue;
            case '\t': out += "\\t"; continue;
            default: break;
        }
        // Characters that some readers of lines (Python's splitlines, old JavaScript) take for the
        // end of a line: NEL, line separator, paragraph separator.
        if (rest.starts_with("\xc2\x85")) {
            out += "\\u0085";
            i += 1;
        } else if (rest.starts_with("\xe2\x80\xa8") || rest.starts_with("\xe2\x80\xa9")) {
            out += rest[2] == '\xa8' ? "\\u2028" : "\\u2029";
            i += 2;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
            out += c;
        }
    }
    out += '"';
}

}  // namespace facet
