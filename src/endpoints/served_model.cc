#include "endpoints/served_model.h"

#include <ctime>
#include <random>

namespace facet::endpoints {

std::string new_id(const char* prefix) {
    static constexpr char kAlphabet[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    thread_local std::mt19937_64 random{std::random_device{}()};
    std::uniform_int_distribution<size_t> pick(0, sizeof kAlphabet - 2);
    std::string id = prefix;
    for (int i = 0; i < 24; ++i) id += kAlphabet[pick(random)];
    return id;
}

AnswerFrame::AnswerFrame(const ServedModel& served, const char* id_prefix)
    : model_(served.name),
      fingerprint_(served.fingerprint),
      id_(new_id(id_prefix)),
      created_(unix_time()) {}

Json AnswerFrame::json(const char* object) const {
    Json json = Json::object();
    return json.set("id", Json::of(id_))
        .set("object", Json::of(object))
        .set("created", Json::integer(created_))
        .set("model", Json::of(model_))
        .set("system_fingerprint", Json::of(fingerprint_));
}

int64_t unix_time() { return static_cast<int64_t>(std::time(nullptr)); }

}  // namespace facet::endpoints
