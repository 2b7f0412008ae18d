// What is served, as all endpoints see it.
#pragma once

#include <cstdint>
#include <string>

#include "facet/facet.hpp"

namespace facet::endpoints {

struct ServedModel {
    api::Model& model;
    std::string name;              // how it is called in answers
    int64_t created = 0;           // seconds since 1970
    int64_t context = 0;           // tokens of prompt and reply
    bool thinks = true;            // whether requests that do not say so let the model think
    std::string fingerprint = {};  // of what may change answers: program and file
};

// A prefix and random letters, as "chatcmpl-…".
std::string new_id(const char* prefix);
// Now, in seconds since 1970.
int64_t unix_time();

}  // namespace facet::endpoints
