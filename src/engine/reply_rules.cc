#include "engine/reply_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "engine/loaded_model.h"
#include "grammar/choice.h"
#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/regex_grammar.h"
#include "grammar/tool_grammar.h"

namespace facet {

namespace {

using Automaton = std::shared_ptr<GrammarAutomaton>;

// The member, or null if it is absent or JSON's null.
const Json* given(const Json& request, std::string_view name) {
    const Json* member = request.find(name);
    return member == nullptr || member->is_null() ? nullptr : member;
}

// The same error about a member.
Error of_member(std::string_view member, const Error& error) {
    return {error.kind, fmt::format("{}: {}", member, error.message)};
}

Result<Automaton> compiled(ReplyGrammars& grammars, std::string_view member, const std::string& key,
                           const std::function<Result<Grammar>()>& compile) {
    Result<Automaton> automaton = grammars.get(key, compile);
    if (!automaton.ok()) return of_member(member, automaton.error());
    return automaton;
}

// What "tool_choice" asks for; `name` is of the one tool that it allows.
Result<ReplyRules::Calls> calls_of(const Json& request, bool has_tools, std::string& name) {
    const Json* choice = given(request, "tool_choice");
    using Calls = ReplyRules::Calls;
    if (choice == nullptr) return has_tools ? Calls::kMay : Calls::kFree;
    const Json* function = choice->find("function");
    const Json* chosen = function != nullptr ? function->find("name") : choice->find("name");
    if (choice->is_object() && chosen != nullptr && chosen->is_string() && !chosen->text.empty()) {
        name = chosen->text;
    } else if (!choice->is_string() ||
               (choice->text != "auto" && choice->text != "none" && choice->text != "required")) {
        return invalid_input(
            "tool_choice: expected \"auto\", \"none\", \"required\", or {\"type\": \"function\", "
            "\"function\": {\"name\": the tool's}}");
    } else if (choice->text == "none") {
        return Calls::kNone;
    } else if (choice->text == "auto") {
        return has_tools ? Calls::kMay : Calls::kFree;
    }
    if (!has_tools) return invalid_input("tool_choice: a call is required, but tools has none");
    return Calls::kMust;
}

Result<Automaton> call_grammar(const Json& request, const Json& tools, const std::string& name,
                               ReplyGrammars& grammars) {
    ToolGrammarOptions options;
    options.has_begun = true;
    options.name = name;
    if (const Json* parallel = given(request, "parallel_tool_calls")) {
        if (!parallel->is_bool())
            return invalid_input("parallel_tool_calls: expected true or false");
        if (!parallel->boolean) options.calls_max = 1;
    }
    const Vocabulary& vocabulary = grammars.vocabulary();
    const ToolCallTokens tokens = {vocabulary.id_of(Special::kToolCallBegin),
                                   vocabulary.id_of(Special::kToolCallEnd),
                                   vocabulary.id_of(Special::kQuote)};
    const std::string key =
        fmt::format("tools {} {} {}", options.calls_max, Json::of(name).dump(), tools.dump());
    return compiled(grammars, name.empty() ? "tools" : "tool_choice", key,
                    [&] { return compile_tool_calls(tools, tokens, options); });
}

// "response_format". Null for plain text.
Result<Automaton> format_grammar(const Json& format, ReplyGrammars& grammars) {
    if (!format.is_object()) return invalid_input("response_format: expected an object");
    const Json* type = format.find("type");
    if (type == nullptr || !type->is_string())
        return invalid_input("response_format.type: expected a text");
    if (type->text == "text") return Automaton();
    if (type->text == "json_object") {
        return compiled(grammars, "response_format", "object",
                        [] { return compile_json_object(); });
    }
    if (type->text != "json_schema") {
        return invalid_input(
            "response_format.type: expected \"text\", \"json_object\" or \"json_schema\"");
    }
    const Json* holder = format.find("json_schema");
    const Json* schema = holder != nullptr ? holder->find("schema") : format.find("schema");
    if (schema == nullptr || !(schema->is_object() || schema->is_bool()))
        return invalid_input("response_format.json_schema.schema: expected a JSON Schema");
    return compiled(grammars, "response_format.json_schema.schema", "schema " + schema->dump(),
                    [&] { return compile_json_schema(*schema); });
}

Result<Automaton> choice_grammar(const Json& choice, ReplyGrammars& grammars) {
    std::vector<std::string> texts;
    for (const Json& item : choice.items) {
        if (item.is_string()) texts.push_back(item.text);
    }
    if (!choice.is_array() || texts.empty() || texts.size() != choice.items.size())
        return invalid_input("choice: expected a list of texts");
    return compiled(grammars, "choice", "choice " + choice.dump(),
                    [&] { return compile_choice(std::move(texts)); });
}

Result<Automaton> gbnf_grammar(const Json& text, ReplyGrammars& grammars) {
    if (!text.is_string()) return invalid_input("grammar: expected a text");
    return compiled(grammars, "grammar", "gbnf " + text.text,
                    [&] { return compile_gbnf(text.text); });
}

Result<Automaton> regex_grammar(const Json& text, ReplyGrammars& grammars) {
    if (!text.is_string()) return invalid_input("regex: expected a text");
    return compiled(grammars, "regex", "regex " + text.text,
                    [&] { return compile_regex(text.text); });
}

// The one member that gives the text a form. Null if there is none.
Result<Automaton> text_grammar(const Json& request, ReplyGrammars& grammars) {
    using Make = Result<Automaton> (*)(const Json&, ReplyGrammars&);
    constexpr std::pair<std::string_view, Make> kForms[] = {{"response_format", format_grammar},
                                                            {"grammar", gbnf_grammar},
                                                            {"regex", regex_grammar},
                                                            {"choice", choice_grammar}};
    std::string_view found;
    Automaton grammar;
    for (const auto& [name, make] : kForms) {
        const Json* member = given(request, name);
        if (member == nullptr) continue;
        Automaton made = FACET_TRY(make(*member, grammars));
        if (made == nullptr) continue;
        if (grammar != nullptr) {
            return invalid_input(fmt::format("{}: not together with {}", name, found));
        }
        found = name;
        grammar = std::move(made);
    }
    return grammar;
}

}  // namespace

Result<std::shared_ptr<const GrammarVocabulary>> ReplyGrammars::texts() {
    const std::lock_guard lock(mutex_);
    if (texts_ == nullptr) {
        std::vector<int32_t> ends;
        for (const Special special : kReplyEnds) ends.push_back(vocabulary_.id_of(special));
        texts_ = std::make_shared<const GrammarVocabulary>(
            FACET_TRY(GrammarVocabulary::create(vocabulary_.output_bytes(), std::move(ends))));
    }
    return texts_;
}

Result<std::shared_ptr<GrammarAutomaton>> ReplyGrammars::get(
    const std::string& key, const std::function<Result<Grammar>()>& compile) {
    {
        const std::lock_guard lock(mutex_);
        const auto known = std::find_if(kept_.begin(), kept_.end(),
                                        [&](const auto& kept) { return kept.first == key; });
        if (known != kept_.end()) {
            kept_.splice(kept_.begin(), kept_, known);
            return known->second;
        }
    }
    // Not under the lock: it may take long, and two at once only make the same.
    auto texts = FACET_TRY(this->texts());
    Grammar grammar = FACET_TRY(compile());
    auto made = FACET_TRY(GrammarAutomaton::create(std::move(grammar), std::move(texts)));
    const std::lock_guard lock(mutex_);
    kept_.emplace_front(key, made);
    if (kept_.size() > kKept) kept_.pop_back();
    return made;
}

Result<ReplyRules> read_reply_rules(const Json& request, const Json& tools, bool may_think,
                                    ReplyGrammars& grammars) {
    ReplyRules rules;
    rules.may_think = may_think;
    const bool has_tools = tools.is_array() && !tools.items.empty();
    std::string name;
    rules.calls = FACET_TRY(calls_of(request, has_tools, name));
    rules.text_grammar = FACET_TRY(text_grammar(request, grammars));
    using Calls = ReplyRules::Calls;
    if (rules.calls == Calls::kMay || rules.calls == Calls::kMust)
        rules.call_grammar = FACET_TRY(call_grammar(request, tools, name, grammars));
    // A text of a given form leaves no room for calls of undeclared tools.
    if (rules.text_grammar != nullptr && rules.calls == Calls::kFree) rules.calls = Calls::kNone;
    return rules;
}

}  // namespace facet
