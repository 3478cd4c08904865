#include "report/format.h"

#include <fmt/format.h>

#include <cmath>

#include "records/fields.h"

namespace pawl {
namespace {

bool IsPair(const Json& interval) {
  return interval.is_array() && interval.size() == 2 && interval[0].is_number() &&
         interval[1].is_number();
}

}  // namespace

std::string Plain(std::string_view text) {
  std::string out;
  for (const char c : text) out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return out;
}

std::string PlainAt(const Json& object, const std::string& key) {
  return Plain(TextAt(object, key).value_or(""));
}

std::string PercentText(const std::optional<double>& share) {
  return share ? fmt::format("{:.1f} %", 100 * *share) : "-";
}

std::string PercentText(long long k, long long n) {
  const auto wilson = Wilson(k, n);
  if (!wilson) return fmt::format("{} of {}", k, n);
  return fmt::format("{} of {} ({:.1f} %, {:.1f} to {:.1f})", k, n,
                     100 * static_cast<double>(k) / static_cast<double>(n), 100 * wilson->low,
                     100 * wilson->high);
}

std::string PercentRange(const Json& interval) {
  return IsPair(interval) ? fmt::format("{:.1f} to {:.1f} %", 100 * interval[0].get<double>(),
                                        100 * interval[1].get<double>())
                          : "-";
}

std::string PointsText(const std::optional<double>& points) {
  return points ? fmt::format("{:+.1f} points", *points) : "unknown";
}

std::string PointsRange(const Json& interval) {
  return IsPair(interval) ? fmt::format(" (95 % interval {:+.1f} to {:+.1f})",
                                        interval[0].get<double>(), interval[1].get<double>())
                          : "";
}

std::string NumberText(const std::optional<double>& value, int digits) {
  return value ? fmt::format("{:.{}f}", *value, digits) : "-";
}

std::string DurationText(const std::optional<double>& seconds) {
  if (!seconds || !std::isfinite(*seconds)) return "-";
  if (*seconds < 10) return fmt::format("{:.2g} s", *seconds);
  const auto s = static_cast<long long>(std::llround(*seconds));
  if (s < 90) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {} s", s / 60, s % 60);
  return fmt::format("{} h {} min", s / 3600, s % 3600 / 60);
}

std::string BytesText(const std::optional<double>& bytes) {
  if (!bytes) return "-";
  if (*bytes < 1e6) return fmt::format("{:.0f} kB", *bytes / 1e3);
  return *bytes < 1e9 ? fmt::format("{:.1f} MB", *bytes / 1e6)
                      : fmt::format("{:.2f} GB", *bytes / 1e9);
}

}  // namespace pawl
