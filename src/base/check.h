// PAWL_CHECK(condition): an invariant of our own code, on in release too.  Never used on outside
// data: a bad file is an Error, not an abort.
#pragma once

namespace pawl {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);
}  // namespace pawl

#define PAWL_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::pawl::CheckFailed(__FILE__, __LINE__, #condition))
