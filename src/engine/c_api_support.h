// What the files of the C API share: statuses, what is handed to the caller, the handles.
#pragma once

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string>

#include "engine/engine.h"
#include "facet/facet.h"

struct facet_model {
    std::shared_ptr<facet::Engine> engine;
};

namespace facet::c_api {

// Notes what went wrong in this thread's call.
facet_status fail(facet_status status, std::string message);
const char* last_error();
facet_status status_of(ErrorKind kind);

// Runs the body of an API function; nothing escapes it but a status.
template <typename Body>
facet_status guarded(const Body& body) {
    try {
        const Status status = body();
        return status.ok() ? FACET_OK
                           : fail(status_of(status.error().kind), status.error().message);
    } catch (const std::bad_alloc&) {
        return fail(FACET_ERROR_MEMORY, "out of memory");
    } catch (const std::exception& exception) {
        return fail(FACET_ERROR_INTERNAL, exception.what());
    }
}

Status require(bool condition, const char* what);
// Words of a struct of options that a later version may give a meaning: an error unless they are 0.
Status check_reserved(std::span<const uint64_t> words, const char* type);

// Copies for the caller to free().
char* copy_text(const std::string& text);
int32_t* copy_ids(std::span<const int32_t> ids);

}  // namespace facet::c_api
