#include "grammar/tool_grammar.h"

#include <fmt/format.h>

#include <algorithm>

#include "grammar/json_schema.h"
#include "grammar/output_syntax.h"

namespace facet {

namespace {

bool is_tool_name(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view("_-./").find(c) != std::string_view::npos;
    });
}

Json any_object() { return Json::object().set("type", Json::of("object")); }

// A call's arguments are an object, whatever else the declaration allows.
Json parameters_of(const Json& function) {
    const Json* declared = function.find("parameters");
    if (declared == nullptr || !declared->is_object() || declared->members.empty())
        return any_object();
    if (const Json* type = declared->find("type");
        type != nullptr && type->is_string() && type->text == "object")
        return *declared;
    // References in it point to the root, so it has to stay the root.
    Json parameters = *declared;
    return parameters.set("type", Json::of("object"));
}

Result<GrammarSymbol> add_arguments(GrammarBuilder& builder, OutputSyntax& syntax,
                                    const Json& function, std::string_view name) {
    const Json* strict = function.find("strict");
    const bool is_strict = strict != nullptr && strict->is_true();
    const Json parameters = parameters_of(function);
    Result<GrammarSymbol> arguments = add_json_schema(builder, syntax, parameters, !is_strict);
    if (arguments.ok()) return arguments.value();
    if (is_strict)
        return Error{arguments.error().kind,
                     fmt::format("tool {}: {}", name, arguments.error().message)};
    // A schema that is broken beyond what can be left out: any object.
    return add_json_schema(builder, syntax, any_object(), true);
}

}  // namespace

Result<Grammar> compile_tool_calls(const Json& tools, const ToolCallTokens& tokens,
                                   const ToolGrammarOptions& options) {
    GrammarBuilder builder;
    OutputSyntax syntax(builder, OutputSyntax::Kind::kGemmaCall, tokens.quote);
    std::vector<GrammarSequence> calls;
    for (const Json& tool : tools.items) {
        const Json* function = tool.find("function");
        const Json* name = function == nullptr ? nullptr : function->find("name");
        if (name == nullptr || !name->is_string() || !is_tool_name(name->text))
            return invalid_input(
                "tools: expected a function with a name of letters, digits, _ - . /");
        if (!options.name.empty() && name->text != options.name) continue;
        GrammarSequence& call = calls.emplace_back();
        builder.append_text(call, name->text);
        call.push_back(FACET_TRY(add_arguments(builder, syntax, *function, name->text)));
    }
    if (calls.empty())
        return invalid_input(options.name.empty()
                                 ? std::string("tools: expected at least one")
                                 : fmt::format("tools: there is none named {}", options.name));
    GrammarSequence body;
    builder.append_text(body, "call:");
    body.push_back(builder.choice(std::move(calls)));
    body.push_back(GrammarBuilder::token(static_cast<uint32_t>(tokens.call_end)));
    const GrammarSymbol rest_of_call = builder.group(std::move(body));
    const GrammarSymbol call = builder.group(
        {GrammarBuilder::token(static_cast<uint32_t>(tokens.call_begin)), rest_of_call});
    const uint32_t root = builder.add_rule();
    if (options.has_begun) {
        const uint32_t more =
            options.calls_max == kRepeatUnbounded ? kRepeatUnbounded : options.calls_max - 1;
        builder.add_alternative(root, {rest_of_call, builder.repeat(call, 0, more)});
    } else {
        builder.add_alternative(root, {builder.repeat(call, 1, options.calls_max)});
    }
    return builder.finish(root);
}

}  // namespace facet
