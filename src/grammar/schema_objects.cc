// Objects: declared members in their order, then others, and how many.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "grammar/schema_compiler.h"

namespace facet {

namespace {

constexpr size_t kMemberRulesMax = 50'000;

// The order of keys in calls that the model was trained on (docs gemma4-chat 2.6).
std::string lower_ascii_key(std::string_view key) {
    std::string lower(key);
    for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return lower;
}

}  // namespace

Result<std::vector<SchemaCompiler::Member>> SchemaCompiler::declared_members(
    const SchemaFacts& facts) {
    std::vector<Member> members;
    std::unordered_map<std::string, size_t> places;
    const auto add = [&](const std::string& name) -> Member& {
        const auto [place, is_new] = places.try_emplace(name, members.size());
        if (is_new) members.emplace_back().name = name;
        return members[place->second];
    };
    for (const SchemaFacts::ObjectSource& source : facts.objects) {
        if (source.properties == nullptr) continue;
        for (const auto& [name, schema] : source.properties->members) add(name);
    }
    for (const std::string& name : facts.required) add(name).is_required = true;
    for (const SchemaFacts::ObjectSource& source : facts.objects) {
        std::unordered_map<std::string_view, const Json*> own;
        if (source.properties != nullptr) {
            for (const auto& [name, schema] : source.properties->members) own[name] = &schema;
        }
        for (Member& member : members) {
            const auto declared = own.find(member.name);
            bool is_matched = declared != own.end();
            if (is_matched) member.is_possible &= add_schema(member.value, declared->second);
            if (source.patterns != nullptr) {
                for (const auto& [pattern, schema] : source.patterns->members) {
                    const Result<Regex> regex = parse_regex(pattern);
                    std::optional<StringAutomaton> texts;
                    if (regex.ok())
                        texts = StringAutomaton::of(regex.value(), RegexMatch::kContained);
                    if (!texts && reader_.is_loose()) continue;
                    if (!regex.ok()) return reader_.refuse(schema, regex.error().message);
                    if (!texts) return reader_.refuse(schema, "this pattern is too large");
                    if (!texts->contains(member.name)) continue;
                    is_matched = true;
                    member.is_possible &= add_schema(member.value, &schema);
                }
            }
            if (!is_matched) member.is_possible &= add_schema(member.value, source.additional);
        }
    }
    if (!syntax_.is_json()) {
        std::stable_sort(members.begin(), members.end(), [](const Member& a, const Member& b) {
            return lower_ascii_key(a.name) < lower_ascii_key(b.name);
        });
    }
    return members;
}

// Members that no `properties` declares: for each set of patterns that a key can match, those keys
// with a value that satisfies what the patterns, or the additionalProperties of sources of which no
// pattern matches, say.
Status SchemaCompiler::add_other_members(const SchemaFacts& facts,
                                         const std::vector<Member>& declared,
                                         std::vector<GrammarSequence>& members) {
    std::vector<std::pair<std::string, StringAutomaton>> patterns;
    const Json& at = facts.objects.empty()                    ? document_.root()
                     : facts.objects[0].patterns != nullptr   ? *facts.objects[0].patterns
                     : facts.objects[0].additional != nullptr ? *facts.objects[0].additional
                                                              : document_.root();
    const Error too_large =
        reader_.refuse(at, "keys beside declared ones: too many or too large patterns");
    bool writes_unmatched = true, has_declared = false;
    for (const SchemaFacts::ObjectSource& source : facts.objects) {
        has_declared |= source.properties != nullptr || source.patterns != nullptr;
        if (source.patterns == nullptr) continue;
        for (const auto& [pattern, schema] : source.patterns->members) {
            if (std::any_of(patterns.begin(), patterns.end(),
                            [&name = pattern](const auto& known) { return known.first == name; }))
                continue;
            const Result<Regex> regex = parse_regex(pattern);
            if (!regex.ok()) return reader_.refuse(schema, regex.error().message);
            std::optional<StringAutomaton> texts =
                StringAutomaton::of(regex.value(), RegexMatch::kContained);
            if (!texts || patterns.size() == kSchemaPatternsMax) return too_large;
            patterns.emplace_back(pattern, std::move(*texts));
        }
    }
    if (has_declared) {
        writes_unmatched = std::any_of(
            facts.objects.begin(), facts.objects.end(),
            [](const SchemaFacts::ObjectSource& source) { return source.additional != nullptr; });
    }
    std::vector<std::string> names;
    for (const Member& member : declared) names.push_back(member.name);
    std::optional<StringAutomaton> writable = syntax_.writable_keys();
    for (size_t subset = 0; subset < size_t{1} << patterns.size(); ++subset) {
        if (subset == 0 && !writes_unmatched) continue;
        SchemaSet value;
        bool is_possible = true;
        for (const SchemaFacts::ObjectSource& source : facts.objects) {
            bool is_matched = false;
            for (size_t p = 0; p < patterns.size() && source.patterns != nullptr; ++p) {
                const Json* schema = source.patterns->find(patterns[p].first);
                if ((subset >> p & 1) == 0 || schema == nullptr) continue;
                is_matched = true;
                is_possible &= add_schema(value, schema);
            }
            if (!is_matched) is_possible &= add_schema(value, source.additional);
        }
        if (!is_possible) continue;
        GrammarSequence member;
        if (names.empty() && patterns.empty()) {
            syntax_.append_any_key(member);
        } else {
            std::optional<StringAutomaton> keys = StringAutomaton::of(names);
            if (keys) keys = keys->complement();
            if (keys && writable) keys = keys->intersection(*writable);
            for (size_t p = 0; p < patterns.size() && keys; ++p) {
                keys = keys->intersection((subset >> p & 1) != 0 ? patterns[p].second
                                                                 : patterns[p].second.complement());
            }
            if (!keys) return too_large;
            if (keys->is_empty()) continue;
            syntax_.append_key(member, *keys);
        }
        member.push_back(value_of(value));
        members.push_back(std::move(member));
    }
    return {};
}

Result<std::vector<GrammarSequence>> SchemaCompiler::other_members(
    const SchemaFacts& facts, const std::vector<Member>& declared) {
    std::vector<GrammarSequence> members;
    const Status status = add_other_members(facts, declared, members);
    if (status.ok()) return members;
    if (!reader_.is_loose()) return status.error();
    return std::vector<GrammarSequence>();
}

Result<GrammarSymbol> SchemaCompiler::object_of(const SchemaFacts& facts) {
    const std::vector<Member> declared = FACET_TRY(declared_members(facts));
    std::vector<GrammarSequence> members;
    std::vector<bool> required;
    for (const Member& member : declared) {
        if (!member.is_possible && !member.is_required) continue;
        GrammarSequence& sequence = members.emplace_back();
        required.push_back(member.is_required);
        if (!syntax_.append_key(sequence, member.name))
            return reader_.refuse(
                document_.root(),
                fmt::format("a tool call can not have the key \"{}\"", member.name));
        sequence.push_back(member.is_possible ? value_of(member.value) : builder_.nothing());
    }
    std::vector<GrammarSequence> others = FACET_TRY(other_members(facts, declared));
    std::optional<GrammarSymbol> other;
    if (!others.empty()) other = builder_.choice(std::move(others));
    // Other members may have the same key, and then are one.
    if (facts.properties_min > members.size() + (other ? 1 : 0) && other && !reader_.is_loose())
        return reader_.refuse(
            document_.root(),
            fmt::format("minProperties {} is more than can be counted", facts.properties_min));
    const uint32_t counts = facts.properties_max == kRepeatUnbounded
                                ? std::max(1u, facts.properties_min)
                                : facts.properties_max;
    if ((members.size() + 1) * (std::min<size_t>(counts, members.size() + 1) + 1) > kMemberRulesMax)
        return reader_.refuse(document_.root(), "an object of too many members");
    GrammarSequence sequence = {builder_.byte('{')};
    syntax_.append_space(sequence);
    sequence.push_back(members_in_order(members, required, other, facts));
    sequence.push_back(builder_.byte('}'));
    return builder_.group(std::move(sequence));
}

// Rule [index, count]: what may follow when members before `index` have been decided on and `count`
// of them written (up to where the count stops to matter).
GrammarSymbol SchemaCompiler::members_in_order(const std::vector<GrammarSequence>& declared,
                                               const std::vector<bool>& required,
                                               std::optional<GrammarSymbol> other,
                                               const SchemaFacts& facts) {
    const auto size = static_cast<uint32_t>(declared.size());
    const uint32_t min = facts.properties_min, max = facts.properties_max;
    const bool is_bounded = max != kRepeatUnbounded && max < size + (other ? UINT32_MAX - size : 0);
    const uint32_t counts = std::min(is_bounded ? max : std::max(1u, min), size + 1);
    std::optional<GrammarSymbol> more_other;
    if (other) {
        GrammarSequence next;
        append_separator(next);
        next.push_back(*other);
        more_other = builder_.group(std::move(next));
    }
    std::vector<uint32_t> after(counts + 1);  // the rules of index + 1
    for (uint32_t count = 0; count <= counts; ++count) {
        after[count] = builder_.add_rule();
        const uint32_t missing = count < min ? min - count : 0;
        const uint32_t room = is_bounded ? max - count : kRepeatUnbounded;
        GrammarSequence space;
        syntax_.append_space(space);
        if (missing == 0)
            builder_.add_alternative(after[count], count > 0 ? space : GrammarSequence());
        if (!other || missing > 1 || room == 0) continue;
        GrammarSequence sequence = {count > 0 ? *more_other : *other};
        if (room > 1)
            sequence.push_back(
                builder_.repeat(*more_other, 0, room == kRepeatUnbounded ? room : room - 1));
        sequence.insert(sequence.end(), space.begin(), space.end());
        builder_.add_alternative(after[count], std::move(sequence));
    }
    for (uint32_t index = size; index-- > 0;) {
        std::vector<uint32_t> rules(counts + 1);
        for (uint32_t count = 0; count <= counts; ++count) {
            rules[count] = builder_.add_rule();
            if (!required[index])
                builder_.add_alternative(rules[count], {GrammarBuilder::call(after[count])});
            if (is_bounded && count == counts) continue;
            GrammarSequence sequence;
            if (count > 0) append_separator(sequence);
            sequence.insert(sequence.end(), declared[index].begin(), declared[index].end());
            sequence.push_back(GrammarBuilder::call(after[std::min(count + 1, counts)]));
            builder_.add_alternative(rules[count], std::move(sequence));
        }
        after = std::move(rules);
    }
    return GrammarBuilder::call(after[0]);
}

}  // namespace facet
