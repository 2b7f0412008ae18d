#include "grammar/choice.h"

namespace facet {

Result<Grammar> compile_choice(std::vector<std::string> texts) {
    if (texts.empty()) return invalid_input("choice: expected at least one text");
    GrammarBuilder builder;
    const GrammarSymbol root = builder.one_of(std::move(texts));
    return builder.finish(root.value);
}

}  // namespace facet
