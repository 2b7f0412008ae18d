// Broken assumptions of our own: they stop the program, always (FACET_CHECK) or in debug builds
// (FACET_DCHECK).
//
// No input from outside, however broken, may reach a FACET_CHECK; that is what Result (result.h) is
// for.
#pragma once

namespace facet {

// Prints where and what to stderr and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition);

}  // namespace facet

#define FACET_CHECK(condition)                                     \
    do {                                                           \
        if (!(condition)) [[unlikely]] {                           \
            ::facet::check_failed(__FILE__, __LINE__, #condition); \
        }                                                          \
    } while (false)

#ifdef NDEBUG
#define FACET_DCHECK(condition) \
    do {                        \
    } while (false)
#else
#define FACET_DCHECK(condition) FACET_CHECK(condition)
#endif
