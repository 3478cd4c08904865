#include "pipeline/run_clock.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <limits>

namespace pawl {

double SteadySeconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

Result<double> ParseDuration(const std::string& text) {
  char* end = nullptr;
  const double amount = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  const double scale = unit == "h" ? 3600 : unit == "m" ? 60 : unit == "s" || unit.empty() ? 1 : 0;
  if (end == text.c_str() || scale == 0 || !(amount > 0 && amount < 1e9)) {
    return Usage(fmt::format(
        "run.time_limit: got \"{}\", expected a duration such as 9h, 90m or 30s", text));
  }
  return amount * scale;
}

Result<double> SecondsUntil(const std::string& text) {
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  const bool formed =
      text.size() == 5 && digit(0) && digit(1) && text[2] == ':' && digit(3) && digit(4);
  const int hour = formed ? (text[0] - '0') * 10 + (text[1] - '0') : 24;
  const int minute = formed ? (text[3] - '0') * 10 + (text[4] - '0') : 60;
  if (hour > 23 || minute > 59) {
    return Usage(
        fmt::format("run.finish_by: got \"{}\", expected a time of day such as 07:00", text));
  }
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  local.tm_hour = hour;
  local.tm_min = minute;
  local.tm_sec = 0;
  local.tm_isdst = -1;
  std::tm tomorrow = local;
  std::time_t then = std::mktime(&local);
  if (then <= now) {
    ++tomorrow.tm_mday;
    then = std::mktime(&tomorrow);
  }
  return std::difftime(then, now);
}

Result<RunClock> RunClock::Make(const RunSection& run, double before) {
  double limit = std::numeric_limits<double>::infinity();
  if (!run.time_limit.empty()) {
    PAWL_ASSIGN(limit, ParseDuration(run.time_limit));
  } else if (!run.finish_by.empty()) {
    PAWL_ASSIGN(const double left, SecondsUntil(run.finish_by));
    limit = before + left;
  }
  return RunClock(before, limit);
}

}  // namespace pawl
