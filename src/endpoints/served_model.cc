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

int64_t unix_time() { return static_cast<int64_t>(std::time(nullptr)); }

}  // namespace facet::endpoints
