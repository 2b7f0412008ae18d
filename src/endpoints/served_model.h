// What is served, as all endpoints see it.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
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

// What each of OpenAI's completions begins with: one for an answer with all its chunks.
class AnswerFrame {
  public:
    AnswerFrame(const ServedModel& served, const char* id_prefix);
    // {"id", "object", "created", "model", "system_fingerprint"}.
    Json json(const char* object) const;

  private:
    const std::string model_, fingerprint_, id_;
    const int64_t created_;
};

// A prefix and random letters, as "chatcmpl-…".
std::string new_id(const char* prefix);
// Now, in seconds since 1970.
int64_t unix_time();

}  // namespace facet::endpoints
