// Result<T>: a value or an Error. Used for all that the world can get wrong; asserts are for our own mistakes.
// An Error's message is a sentence fragment for people ("no console \"web02\"; did you mean \"web01\"?"): it says what
// is wrong and, where there is one, what to do. It never holds a secret or unescaped text from a line.
#pragma once
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace oob {

enum class ErrorCode {
  Usage,        // malformed request or file           exit 2, HTTP 400
  Denied,       // not allowed                         exit 3, HTTP 403
  NotFound,     // no such name                        exit 4, HTTP 404
  Conflict,     // state does not permit it now        exit 1, HTTP 409
  Unavailable,  // peer, disk or server not reachable  exit 5, HTTP 503
  Internal,     // our own mistake                     exit 1, HTTP 500
};

struct Error {
  ErrorCode code = ErrorCode::Internal;
  std::string message;
};

template <typename T = void>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

}  // namespace oob
