// Errors as values, for everything that is outside our control: files, requests, the machine.
//
// Owns: Error, Result<T>, Status and the FACET_TRY macro. Our own mistakes are not errors; they go
// through FACET_CHECK (check.h). An Error's message is one sentence that a user can act on: it
// names the file, the tensor or key, what was expected and what was found.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace facet {

// What kind of thing went wrong; decides an exit code or an HTTP status, never the wording.
enum class ErrorKind {
    kInvalidInput,  // the file, request or option is wrong
    kNotFound,      // a file or name does not exist
    kOutOfMemory,   // the machine cannot give what was asked
    kUnsupported,   // well-formed, but not something Facet does
    kIo,            // the system failed to read or write
    kCancelled,     // whoever asked for it wanted it no longer
    kBusy,          // too much is asked for at once; later it may work
};

struct Error {
    ErrorKind kind = ErrorKind::kInvalidInput;
    std::string message;
};

inline Error invalid_input(std::string message) {
    return {ErrorKind::kInvalidInput, std::move(message)};
}
inline Error unsupported(std::string message) {
    return {ErrorKind::kUnsupported, std::move(message)};
}

// A value or an Error. Test with ok() before value() or error(); moving out with take() leaves it
// empty.
template <typename T>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }
    T& value() { return std::get<0>(state_); }
    const T& value() const { return std::get<0>(state_); }
    T take() { return std::move(std::get<0>(state_)); }
    const Error& error() const { return std::get<1>(state_); }

  private:
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : error_(std::move(error)), ok_(false) {}

    bool ok() const { return ok_; }
    explicit operator bool() const { return ok_; }
    void take() {}
    const Error& error() const { return error_; }

  private:
    Error error_;
    bool ok_ = true;
};

using Status = Result<void>;

}  // namespace facet

// The value of a Result, or an early return of its error:  auto file =
// FACET_TRY(MappedFile::open(path)); (A GNU statement expression; g++ and clang, the compilers we
// build with, both have it. The counter gives nested uses different names.)
#define FACET_TRY(expression) FACET_TRY_NAMED(expression, __COUNTER__)
#define FACET_TRY_NAMED(expression, counter) FACET_TRY_RESULT(expression, FACET_TRY_NAME(counter))
#define FACET_TRY_NAME(counter) facet_try_result_##counter
#define FACET_TRY_RESULT(expression, result)       \
    ({                                             \
        auto result = (expression);                \
        if (!result.ok()) {                        \
            return ::facet::Error(result.error()); \
        }                                          \
        result.take();                             \
    })
