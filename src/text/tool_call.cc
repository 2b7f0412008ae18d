#include "text/tool_call.h"

#include <algorithm>
#include <array>

#include "text/call_lexemes.h"
#include "text/python_text.h"
#include "text/vocabulary.h"

namespace facet {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_closer(char c) { return c == '}' || c == ']' || c == ')'; }

bool is_name_character(char c) {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
    if (c == '_' || c == '-' || c == '.' || c == '/') return true;
    return static_cast<unsigned char>(c) >= 0x80 && c != kQuoteMark;  // letters beyond ASCII
}

// Whether a schema allows only this type (or it and null).
bool schema_says(const Json* schema, std::string_view type) {
    const Json* types = schema == nullptr ? nullptr : schema->find("type");
    if (types == nullptr) return false;
    const auto is_type = [](const Json& value, std::string_view name) {
        return value.is_string() && lower_ascii(value.text) == name;
    };
    if (types->is_string()) return is_type(*types, type);
    bool found = false;
    for (const Json& member : types->items) {
        if (is_type(member, type)) {
            found = true;
        } else if (!is_type(member, "null")) {
            return false;
        }
    }
    return found;
}

const Json* property_schema(const Json* schema, std::string_view key) {
    const Json* properties = schema == nullptr ? nullptr : schema->find("properties");
    return properties == nullptr ? nullptr : properties->find(key);
}

// The parameters of the tool of that name; null if it is not declared.
const Json* parameters_of(const Json* tools, std::string_view name) {
    if (tools == nullptr) return nullptr;
    for (const Json& tool : tools->items) {
        const Json* function = tool.find("function");
        const Json* declared = function == nullptr ? nullptr : function->find("name");
        if (declared != nullptr && declared->is_string() && declared->text == name)
            return function->find("parameters");
    }
    return nullptr;
}

// One pass over a body. In the strict mode any deviation from the grammar fails; in the lenient
// mode 3.5 applies. The grammar of both: delimited keys, spaces, a trailing comma, a missing
// "call:" and several calls are not deviations.
class BodyParser {
  public:
    enum class Mode { kStrict, kLenient };

    BodyParser(std::string_view body, Mode mode, bool closed, const Json* tools)
        : body_(body), lenient_(mode == Mode::kLenient), closed_(closed), tools_(tools) {}

    // False if the body does not fit; the calls are then meaningless.
    bool parse(std::vector<ToolCall>& calls) {
        do {
            skip_head();
            if (lenient_ && calls.empty() && (peek() == '{' || peek() == '['))
                return parse_json_body(calls);
            if (!parse_call(calls.emplace_back())) return false;
            skip_between_calls();
        } while (!at_end());
        return true;
    }

    // A valid number or literal became a string because the schema says so.
    bool has_coerced() const { return has_coerced_; }

  private:
    bool at_end() const { return at_ == body_.size(); }
    char peek() const { return at_end() ? '\0' : body_[at_]; }
    bool take(char c) {
        if (at_end() || body_[at_] != c) return false;
        ++at_;
        return true;
    }
    void skip_space() {
        while (!at_end() && is_space(body_[at_])) ++at_;
    }

    // "call:", ":" or nothing.
    void skip_head() {
        skip_space();
        const size_t begin = at_;
        if (body_.substr(at_).starts_with("call")) at_ += 4;
        skip_space();
        if (take(':')) {
            skip_space();
        } else {
            at_ = begin;  // a tool may be called "call"
        }
    }

    void skip_between_calls() {
        skip_space();
        while (lenient_ && !at_end() && (is_closer(body_[at_]) || body_[at_] == ',')) {
            ++at_;
            skip_space();
        }
    }

    bool parse_call(ToolCall& call) {
        const size_t begin = at_;
        while (!at_end() && is_name_character(body_[at_])) ++at_;
        if (at_ == begin) return false;
        call.name = body_.substr(begin, at_ - begin);
        skip_space();
        call.arguments = Json::object();
        const Json* parameters = parameters_of(tools_, call.name);
        if (take('{')) return parse_container(call.arguments, '}', parameters);
        if (lenient_ && take('(')) return parse_container(call.arguments, ')', parameters);
        return false;
    }

    // {"name": .., "arguments": {..}} or a list of those.
    bool parse_json_body(std::vector<ToolCall>& calls) {
        Json body;
        if (!parse_value(body, nullptr)) return false;
        skip_between_calls();
        if (!at_end()) return false;
        if (body.is_object()) return add_json_call(body, calls);
        for (Json& item : body.items) {
            if (!add_json_call(item, calls)) return false;
        }
        return !calls.empty();
    }

    static bool add_json_call(const Json& json, std::vector<ToolCall>& calls) {
        const Json* name = json.find("name");
        const Json* arguments = json.find("arguments");
        if (name == nullptr || !name->is_string() || name->text.empty() || arguments == nullptr)
            return false;
        if (arguments->is_object()) {
            calls.push_back({name->text, *arguments});
            return true;
        }
        if (!arguments->is_string()) return false;
        Result<Json> parsed = Json::parse(arguments->text);  // OpenAI's form
        if (!parsed.ok() || !parsed.value().is_object()) return false;
        calls.push_back({name->text, parsed.take()});
        return true;
    }

    // The entries of an object or array, after its opener and through its closer.
    bool parse_container(Json& container, char closer, const Json* schema) {
        if (closers_.size() == kCallDepthMax) return false;
        closers_.push_back(closer);
        bool needs_comma = false;
        while (true) {
            skip_space();
            const End end = parse_end();
            if (end == End::kBroken) return false;
            if (end == End::kYes) break;
            if (take(',')) {
                if (!needs_comma && !lenient_) return false;
                needs_comma = false;
                continue;
            }
            if (needs_comma || !parse_entry(container, schema)) return false;
            needs_comma = true;
        }
        drop_repeated_keys(container);
        return true;
    }

    enum class End { kNo, kYes, kBroken };

    // Whether the innermost container ends here. By repair it also ends at the closer of a
    // container around it, which is left for that one, and at the end of a closed body; a closer
    // that closes nothing is skipped.
    End parse_end() {
        while (!at_end() && is_closer(body_[at_])) {
            const bool is_own = body_[at_] == closers_.back();
            const bool is_outer = !is_own && closers_.find(body_[at_]) != std::string::npos;
            if (!is_own && !lenient_) return End::kBroken;
            if (!is_outer) ++at_;
            if (is_own || is_outer) {
                closers_.pop_back();
                return End::kYes;
            }
            skip_space();
        }
        if (!at_end()) return End::kNo;
        if (!lenient_ || !closed_) return End::kBroken;
        closers_.pop_back();
        return End::kYes;
    }

    bool parse_entry(Json& container, const Json* schema) {
        if (container.is_array()) {
            const Json* items = schema == nullptr ? nullptr : schema->find("items");
            return parse_value(container.items.emplace_back(), items);
        }
        auto& [key, value] = container.members.emplace_back();
        if (!parse_key(key)) return false;
        skip_space();
        if (!take(':') && !(lenient_ && take('='))) return false;
        return parse_value(value, property_schema(schema, key));
    }

    bool parse_key(std::string& key) {
        const char first = peek();
        const bool is_quoted = first == '"' || first == '\'';
        if (first == kQuoteMark) {
            const size_t end = body_.find(kQuoteMark, at_ + 1);
            if (end == std::string_view::npos) return false;
            key = strip(body_.substr(at_ + 1, end - at_ - 1));
            at_ = end + 1;
        } else if (is_quoted) {
            if (!lenient_) return false;
            const size_t end = quote_end(at_ + 1, first);
            if (end == std::string_view::npos) return false;
            key = unescape(body_.substr(at_ + 1, end - at_ - 1));
            at_ = end + 1;
        } else {
            constexpr std::string_view kStops = "}:,{[\xff";
            const size_t end =
                std::min(body_.size(), body_.find_first_of(lenient_ ? "}:,{[\xff=" : kStops, at_));
            key = strip(body_.substr(at_, end - at_));
            at_ = end;
        }
        return !key.empty();
    }

    bool parse_value(Json& value, const Json* schema) {
        skip_space();
        if (take('{')) {
            value = Json::object();
            return parse_container(value, '}', schema);
        }
        if (take('[')) {
            value = Json::array();
            return parse_container(value, ']', schema);
        }
        const char first = peek();
        if (first == kQuoteMark) return parse_string(value);
        if (lenient_ && (first == '"' || first == '\'') && parse_quoted(value, first)) return true;
        return parse_bare(value, schema);
    }

    // <|"|>text<|"|>. Without the second mark the text is the rest of a closed body, less the
    // enclosing closers.
    bool parse_string(Json& value) {
        const size_t begin = at_ + 1;
        const size_t end = body_.find(kQuoteMark, begin);
        if (end != std::string_view::npos) {
            value = Json::of(body_.substr(begin, end - begin));
            at_ = end + 1;
            return true;
        }
        if (!lenient_ || !closed_) return false;
        std::string_view rest = body_.substr(begin);
        std::string_view stripped = strip_end(rest);
        for (const char closer : closers_) {  // outermost first: it comes last in the text
            if (!stripped.ends_with(closer)) continue;
            rest = stripped.substr(0, stripped.size() - 1);
            stripped = strip_end(rest);
        }
        value = Json::of(rest);
        at_ = body_.size();
        return true;
    }

    // The next unescaped `quote` at or after `from`; npos if the body ends or a quote mark stands
    // before it.
    size_t quote_end(size_t from, char quote) const {
        for (size_t i = from; i < body_.size() && body_[i] != kQuoteMark; ++i) {
            if (body_[i] == '\\' && i + 1 < body_.size() && body_[i + 1] != kQuoteMark) {
                ++i;
            } else if (body_[i] == quote) {
                return i;
            }
        }
        return std::string_view::npos;
    }

    // "text" or 'text'. A quote that no separator follows belongs to the text. False (and nothing
    // taken) if there is no such string here.
    bool parse_quoted(Json& value, char quote) {
        size_t& unclosed_until = unclosed_until_[quote == '"' ? 0 : 1];
        if (at_ < unclosed_until) return false;
        size_t end = quote_end(at_ + 1, quote);
        while (end != std::string_view::npos && !is_separator_at(end + 1))
            end = quote_end(end + 1, quote);
        if (end == std::string_view::npos) {
            // Without this note, a body of openers would be scanned to its end from each of them.
            unclosed_until = next_mark();
            return false;
        }
        value = Json::of(unescape(body_.substr(at_ + 1, end - at_ - 1)));
        at_ = end + 1;
        return true;
    }

    // Whether a value may end before this position.
    bool is_separator_at(size_t position) const {
        while (position < body_.size() && is_space(body_[position])) ++position;
        if (position == body_.size()) return closed_;
        return body_[position] == ',' || is_closer(body_[position]);
    }

    // A number or literal; by repair also text whose <|"|> are missing, one or both.
    bool parse_bare(Json& value, const Json* schema) {
        const size_t separator = bare_end();
        const std::string_view lexeme = strip(body_.substr(at_, separator - at_));
        std::optional<Json> known = read_scalar(lexeme);
        if (!known && lenient_) known = python_literal(lexeme, schema);
        if (known) {
            at_ = separator;
            const bool is_coerced = !known->is_null() && schema_says(schema, "string");
            has_coerced_ |= is_coerced;
            value = is_coerced ? Json::of(lexeme) : std::move(*known);
            return true;
        }
        if (!lenient_) return false;
        const size_t mark = next_mark();
        if (mark < body_.size() && mark_closes_text(separator)) {
            value = Json::of(body_.substr(at_, mark - at_));
            at_ = mark + 1;
            return true;
        }
        value = Json::of(lexeme);
        at_ = separator;
        return !lexeme.empty() && mark >= separator;
    }

    // Where a bare value ends at the latest: at a separator, or the end of the body.
    size_t bare_end() const {
        const bool in_round = closers_.find(')') != std::string::npos;
        return std::min(body_.size(), body_.find_first_of(in_round ? ",}])" : ",}]", at_));
    }

    static std::optional<Json> python_literal(std::string_view lexeme, const Json* schema) {
        if (lexeme == "None" || lexeme == "nil") return Json::null();
        if (!schema_says(schema, "boolean") || (lexeme != "True" && lexeme != "False"))
            return std::nullopt;
        return Json::of(lexeme == "True");
    }

    // The next quote mark, or the end of the body. Remembered, and with it whether it may open a
    // string (it follows a colon, comma or bracket): a body of many bare values and one distant
    // mark is still read in linear time.
    size_t next_mark() {
        if (next_mark_ >= at_ && next_mark_ != 0) return next_mark_;
        next_mark_ = std::min(body_.size(), body_.find(kQuoteMark, at_));
        size_t before = next_mark_;
        while (before > at_ && is_space(body_[before - 1])) --before;
        constexpr std::string_view kBeforeOpener = ":=,{[(";
        next_mark_may_open_ =
            before > at_ && kBeforeOpener.find(body_[before - 1]) != std::string_view::npos;
        return next_mark_;
    }

    // Whether the next mark closes the bare text before it, rather than opening the string of a
    // later value.
    bool mark_closes_text(size_t separator) const {
        return !next_mark_may_open_ || (next_mark_ < separator && is_separator_at(next_mark_ + 1));
    }

    std::string_view body_;
    bool lenient_;
    bool closed_;
    const Json* tools_;
    size_t at_ = 0;
    std::string closers_;  // of the open containers, outermost first
    // No string in "..", '..' that starts before here ends.
    std::array<size_t, 2> unclosed_until_ = {};
    size_t next_mark_ = 0;  // see next_mark(); 0: not looked for, as no body begins with a value
    bool next_mark_may_open_ = false;
    bool has_coerced_ = false;
};

}  // namespace

std::optional<CallBody> parse_call_body(std::string_view body, bool closed, const Json* tools) {
    CallBody result;
    BodyParser strict(body, BodyParser::Mode::kStrict, closed, tools);
    if (strict.parse(result.calls)) {
        result.repaired = strict.has_coerced();
        return result;
    }
    result.calls.clear();
    BodyParser lenient(body, BodyParser::Mode::kLenient, closed, tools);
    if (!lenient.parse(result.calls)) return std::nullopt;
    result.repaired = true;
    return result;
}

std::string call_body_text(std::string_view body) {
    std::string text;
    for (const char c : body) {
        if (c == kQuoteMark) {
            text += special_text(Special::kQuote);
        } else {
            text += c;
        }
    }
    return text;
}

}  // namespace facet
