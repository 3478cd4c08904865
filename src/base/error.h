// Errors are values.  Three kinds of wrong, three answers:
//   the world is wrong (files, flags, disks)  -> Result<T> with an Error that a user can act on
//   the training is wrong (NaN, collapse)     -> a verdict, which is data
//   our code is wrong                         -> PAWL_CHECK (base/check.h)
// Library code neither prints nor exits; only apps/ turns an Error into text and an exit code.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace pawl {

// The numbers are the exit codes of the program.
enum class ErrorCode {
  kInternal = 1,      // a bug or an unexpected failure
  kUsage = 2,         // arguments or configuration; a path that does not exist
  kNoCheckpoint = 3,  // no valid checkpoint, or refuses to start
  kBadFile = 4,       // a model, data or tokenizer file is damaged or unsupported
  kBusy = 5,          // the run directory is in use
  kUnhealthy = 6,     // training was numerically unhealthy after the policy was exhausted
  kGateStop = 7,      // a gate stopped the run because the configuration says so
  kResources = 75,    // disk or memory ran out; resumable
};

// message: one line "place: what was found, what was expected; the next step".
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> Fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}
inline tl::unexpected<Error> BadFile(std::string message) {
  return Fail(ErrorCode::kBadFile, std::move(message));
}
inline tl::unexpected<Error> Usage(std::string message) {
  return Fail(ErrorCode::kUsage, std::move(message));
}

// "found, need" helper: the error of `result` as a new Result's error, with `place: ` before it.
inline tl::unexpected<Error> Within(const std::string& place, Error error) {
  return Fail(error.code, place + ": " + error.message);
}

}  // namespace pawl

// PAWL_TRY(expression): returns the error of a Status or Result from the enclosing function.
#define PAWL_TRY(expression)                                                   \
  do {                                                                         \
    if (auto pawl_status_ = (expression); !pawl_status_) {                     \
      return ::tl::unexpected<::pawl::Error>(std::move(pawl_status_).error()); \
    }                                                                          \
  } while (false)

#define PAWL_CONCAT_INNER_(a, b) a##b
#define PAWL_CONCAT_(a, b) PAWL_CONCAT_INNER_(a, b)
#define PAWL_ASSIGN_IMPL_(result, declaration, expression)                        \
  auto result = (expression);                                                     \
  if (!result) return ::tl::unexpected<::pawl::Error>(std::move(result).error()); \
  declaration = std::move(*result)

// PAWL_ASSIGN(const auto x, Load(path)): declares x, or returns the error.
#define PAWL_ASSIGN(declaration, expression) \
  PAWL_ASSIGN_IMPL_(PAWL_CONCAT_(pawl_result_, __LINE__), declaration, expression)
