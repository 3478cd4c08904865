#include "report/curve.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/html.h"

namespace pawl {

std::string CurveSvg(const std::vector<Json>& records, const std::string& key,
                     const std::string& title) {
  struct Point {
    double x, y;
  };
  std::vector<Point> points;
  for (const Json& record : records) {
    if (record.contains(key) && record.at(key).is_number() && record.contains("step")) {
      points.push_back({record.at("step").get<double>(), record.at(key).get<double>()});
    }
  }
  if (points.size() < 2) return "";
  constexpr double kWidth = 300, kHeight = 150, kLeft = 44, kTop = 22, kBottom = 22;
  const auto by_y = [](const Point& a, const Point& b) { return a.y < b.y; };
  const double low = std::min_element(points.begin(), points.end(), by_y)->y;
  const double high = std::max_element(points.begin(), points.end(), by_y)->y;
  const double first = points.front().x, last = std::max(points.back().x, first + 1);
  const double span = high > low ? high - low : 1;
  std::string path;
  for (const Point& p : points) {
    path +=
        fmt::format("{:.1f},{:.1f} ", kLeft + (p.x - first) / (last - first) * (kWidth - kLeft - 8),
                    kHeight - kBottom - (p.y - low) / span * (kHeight - kTop - kBottom));
  }
  const std::string words = fmt::format(
      "{}: from {:.3g} at step {:.0f} to {:.3g} at step {:.0f}; lowest {:.3g}, highest {:.3g}",
      title, points.front().y, first, points.back().y, points.back().x, low, high);
  return fmt::format(
      "<figure><svg role=\"img\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
      "{1}\"><title>{2}</title>"
      "<text x=\"4\" y=\"13\">{3}</text><line class=\"axis\" x1=\"{4}\" y1=\"{5}\" x2=\"{6}\" "
      "y2=\"{5}\"/>"
      "<text x=\"2\" y=\"{7}\">{8:.3g}</text><text x=\"2\" y=\"{5}\">{9:.3g}</text>"
      "<text x=\"{4}\" y=\"{10}\">step {11:.0f}</text><text x=\"{12}\" y=\"{10}\">{13:.0f}</text>"
      "<polyline class=\"curve\" points=\"{14}\"/></svg></figure>\n",
      kWidth, kHeight, EscapeHtml(words), EscapeHtml(title), kLeft, kHeight - kBottom, kWidth - 8,
      kTop + 8, high, low, kHeight - 6, first, kWidth - 34, points.back().x, path);
}

}  // namespace pawl
