// Building blocks of a rendered prompt: the list of pieces, and JSON values in the form Gemma 4 was
// trained on.
//
// Owns: PieceWriter, the value and object form (gemma4-chat 2.6). Must not know: messages, roles,
// tool schemas.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace facet {

// Collects pieces. Text handed to text() is plain whatever it contains; only special() makes a
// special token.
class PieceWriter {
  public:
    explicit PieceWriter(const Vocabulary& vocabulary) : vocabulary_(&vocabulary) {}

    void text(std::string_view text);
    // A media token that the vocabulary does without becomes its text.
    void special(Special special);
    void quoted(std::string_view text);  // between two <|"|>

    // The number of pieces so far; what follows begins a new one.
    size_t cut() {
        is_cut_ = true;
        return pieces_.size();
    }

    std::vector<Piece> take() { return std::move(pieces_); }
    int media_count() const { return media_count_; }

  private:
    const Vocabulary* vocabulary_;
    std::vector<Piece> pieces_;
    bool is_cut_ = false;
    int media_count_ = 0;
};

// Writes "," before every entry of a list but the first.
class Commas {
  public:
    explicit Commas(PieceWriter& out) : out_(&out) {}
    void next() {
        if (!first_) out_->text(",");
        first_ = false;
    }

  private:
    PieceWriter* out_;
    bool first_ = true;
};

// Keys of objects are bare, except where a schema is copied verbatim: there they stand between
// <|"|>.
enum class KeyForm { kBare, kQuoted };

using JsonMember = std::pair<std::string, Json>;

// The members of an object in the template's order: by lower-cased key, equal ones in input order.
std::vector<const JsonMember*> sorted_members(const Json& object);

// One value: null, true, digits, <|"|>text<|"|>, [..], {..}.
void write_value(PieceWriter& out, const Json& value, KeyForm keys);

}  // namespace facet
