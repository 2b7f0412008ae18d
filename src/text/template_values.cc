#include "text/template_values.h"

#include <algorithm>

#include "text/python_text.h"

namespace facet {

void PieceWriter::text(std::string_view text) {
    if (text.empty()) return;
    if (is_cut_ || pieces_.empty() || pieces_.back().special_id >= 0) pieces_.emplace_back();
    is_cut_ = false;
    pieces_.back().text += text;
}

void PieceWriter::special(Special special) {
    if (special >= kFirstMediaSpecial) ++media_count_;
    const int32_t id = vocabulary_->id_of(special);
    if (id < 0) return text(special_text(special));
    pieces_.push_back({id, {}});
}

void PieceWriter::quoted(std::string_view content) {
    special(Special::kQuote);
    text(content);
    special(Special::kQuote);
}

std::vector<const JsonMember*> sorted_members(const Json& object) {
    std::vector<std::pair<std::string, const JsonMember*>> keyed;
    keyed.reserve(object.members.size());
    for (const JsonMember& member : object.members)
        keyed.emplace_back(lower_ascii(member.first), &member);
    std::stable_sort(keyed.begin(), keyed.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });

    std::vector<const JsonMember*> sorted;
    sorted.reserve(keyed.size());
    for (const auto& [key, member] : keyed) sorted.push_back(member);
    return sorted;
}

void write_value(PieceWriter& out, const Json& value, KeyForm keys) {
    switch (value.kind) {
        case Json::Kind::kNull: out.text("null"); return;
        case Json::Kind::kBool: out.text(value.boolean ? "true" : "false"); return;
        case Json::Kind::kNumber: out.text(python_number(value)); return;
        case Json::Kind::kString: out.quoted(value.text); return;
        case Json::Kind::kArray: {
            out.text("[");
            Commas commas(out);
            for (const Json& item : value.items) {
                commas.next();
                write_value(out, item, keys);
            }
            out.text("]");
            return;
        }
        case Json::Kind::kObject: {
            out.text("{");
            Commas commas(out);
            for (const JsonMember* member : sorted_members(value)) {
                commas.next();
                if (keys == KeyForm::kQuoted) {
                    out.quoted(member->first);
                } else {
                    out.text(member->first);
                }
                out.text(":");
                write_value(out, member->second, keys);
            }
            out.text("}");
            return;
        }
    }
}

}  // namespace facet
