// A JSON Schema as a document: where each part of it is, and what references point to.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "base/json.h"
#include "base/result.h"

namespace facet {

class SchemaDocument {
  public:
    // Keeps a reference to the schema.
    explicit SchemaDocument(const Json& root);

    const Json& root() const { return root_; }
    // As a URI fragment: "#/properties/a".
    std::string path_of(const Json& part) const;
    // Errors: a reference out of the document, to nothing, or into a keyword that is no schema.
    Result<const Json*> resolve(std::string_view reference) const;

  private:
    struct Place {
        const Json* parent = nullptr;
        std::string key;
    };
    const Json& root_;
    std::unordered_map<const Json*, Place> places_;
    std::unordered_map<std::string, const Json*> anchors_;
};

}  // namespace facet
