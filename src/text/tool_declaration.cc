#include "text/tool_declaration.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text/python_text.h"

namespace facet {

namespace {

// What a property without a "properties" member does not repeat as if it were a property.
constexpr std::array<std::string_view, 5> kKeywords = {"description", "type", "properties",
                                                       "required", "nullable"};

bool is_keyword(std::string_view key) {
    return std::find(kKeywords.begin(), kKeywords.end(), key) != kKeywords.end();
}

// The type in upper case; nothing if it is missing. A union prints as the list that Python would
// show.
std::string type_text(const Json* type) {
    return type == nullptr ? "" : upper_ascii(python_str(*type));
}

void write_required(PieceWriter& out, const Json& names) {
    out.text("required:[");
    Commas commas(out);
    for (const Json& name : names.items) {
        commas.next();
        out.quoted(python_str(name));
    }
    out.text("]");
}

enum class Members { kAll, kButKeywords };
void write_properties(PieceWriter& out, const Json& properties, Members which);

// The element schema of an array: its own keys in order, everything unknown copied as a value.
void write_items(PieceWriter& out, const Json& items) {
    out.text("items:{");
    Commas commas(out);
    for (const JsonMember* member : sorted_members(items)) {
        const auto& [key, value] = *member;
        if (value.is_null()) continue;
        commas.next();
        if (key == "properties") {
            out.text("properties:{");
            write_properties(out, value, Members::kAll);
            out.text("}");
        } else if (key == "required") {
            write_required(out, value);
        } else if (key == "type" && value.is_array()) {
            Json types = Json::array();
            for (const Json& type : value.items) types.push(Json::of(type_text(&type)));
            out.text("type:");
            write_value(out, types, KeyForm::kQuoted);
        } else if (key == "type") {
            out.text("type:");
            out.quoted(type_text(&value));
        } else {
            out.text(key);
            out.text(":");
            write_value(out, value, KeyForm::kQuoted);
        }
    }
    out.text("}");
}

// The fields of one property, without its braces. A property may be any JSON value: what has no
// members has no fields but an empty type.
void write_property(PieceWriter& out, const Json& property) {
    const std::string type = type_text(property.find("type"));
    Commas commas(out);
    if (const Json* description = property.find("description"); python_truth(description)) {
        commas.next();
        out.text("description:");
        out.quoted(python_str(*description));
    }
    const Json* choices = property.find("enum");
    if (type == "STRING" && python_truth(choices)) {
        commas.next();
        out.text("enum:");
        write_value(out, *choices, KeyForm::kQuoted);
    }
    const Json* items = property.find("items");
    if (type == "ARRAY" && items != nullptr && !items->members.empty()) {
        commas.next();
        write_items(out, *items);
    }
    if (python_truth(property.find("nullable"))) {
        commas.next();
        out.text("nullable:true");
    }
    if (type == "OBJECT") {
        const Json* properties = property.find("properties");
        commas.next();
        out.text("properties:{");
        if (properties != nullptr && properties->is_object()) {
            write_properties(out, *properties, Members::kAll);
        } else {
            write_properties(out, property, Members::kButKeywords);
        }
        out.text("}");
        if (const Json* required = property.find("required"); python_truth(required)) {
            commas.next();
            write_required(out, *required);
        }
    }
    commas.next();
    out.text("type:");
    out.quoted(type);
}

void write_properties(PieceWriter& out, const Json& properties, Members which) {
    Commas commas(out);
    for (const JsonMember* member : sorted_members(properties)) {
        if (which == Members::kButKeywords && is_keyword(member->first)) continue;
        commas.next();
        out.text(member->first);
        out.text(":{");
        write_property(out, member->second);
        out.text("}");
    }
}

void write_parameters(PieceWriter& out, const Json& parameters, bool exact) {
    out.text(",parameters:{");
    if (const Json* properties = parameters.find("properties"); python_truth(properties)) {
        out.text("properties:{");
        write_properties(out, *properties, Members::kAll);
        out.text("},");
    }
    if (const Json* required = parameters.find("required"); python_truth(required)) {
        write_required(out, *required);
        out.text(",");
    }
    const Json* type = parameters.find("type");
    if (!python_truth(type) && exact) return;
    out.text("type:");
    out.quoted(python_truth(type) ? type_text(type) : "OBJECT");
    out.text("}");
}

void write_response(PieceWriter& out, const Json& response, bool exact) {
    const bool is_typed = type_text(response.find("type")) == "OBJECT";
    out.text(",response:{");
    if (const Json* description = response.find("description"); python_truth(description)) {
        out.text("description:");
        out.quoted(python_str(*description));
        if (is_typed || exact) out.text(",");
    }
    if (is_typed) {
        out.text("type:");
        out.quoted("OBJECT");
    }
    if (is_typed || !exact) out.text("}");
}

}  // namespace

Status check_tool(const Json& tool, const std::string& name) {
    const Json* function = tool.find("function");
    if (function == nullptr || !function->is_object()) {
        return invalid_input(fmt::format("{}.function: expected an object", name));
    }
    const Json* function_name = function->find("name");
    if (function_name == nullptr || !function_name->is_string()) {
        return invalid_input(fmt::format("{}.function.name: expected a string", name));
    }
    const Json* parameters = function->find("parameters");
    if (parameters != nullptr && !parameters->is_null() && !parameters->is_object()) {
        return invalid_input(fmt::format("{}.function.parameters: expected an object", name));
    }
    return {};
}

void write_declaration(PieceWriter& out, const Json& tool, bool exact) {
    const Json& function = *tool.find("function");
    out.special(Special::kToolBegin);
    out.text("declaration:");
    out.text(function.find("name")->text);
    out.text("{description:");
    const Json* description = function.find("description");
    // The official template prints a description of null as Python does: None.
    const bool has_description = description != nullptr && (exact || !description->is_null());
    out.quoted(has_description ? python_str(*description) : "");
    if (const Json* parameters = function.find("parameters"); python_truth(parameters)) {
        write_parameters(out, *parameters, exact);
    }
    const Json* response = function.find("response");
    if (response != nullptr && (exact || response->is_object()))
        write_response(out, *response, exact);
    out.text("}");
    out.special(Special::kToolEnd);
}

}  // namespace facet
