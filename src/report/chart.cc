#include "report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace pawl {
namespace {

constexpr double kWidth = 360, kHeight = 210, kLeft = 46, kRight = 10, kTop = 40, kBottom = 34;

struct Range {
  double low = 0, high = 1;
  double Span() const { return high > low ? high - low : 1; }
};

struct Frame {
  Range x, y;
  double X(double v) const { return kLeft + (v - x.low) / x.Span() * (kWidth - kLeft - kRight); }
  double Y(double v) const {
    return kHeight - kBottom - (v - y.low) / y.Span() * (kHeight - kTop - kBottom);
  }
};

Frame FrameOf(const Chart& chart) {
  Frame frame;
  bool first = true;
  for (const ChartLine& line : chart.lines) {
    for (const ChartPoint& p : line.points) {
      const double low = p.low.value_or(p.y), high = p.high.value_or(p.y);
      if (first) frame = {{p.x, p.x}, {low, high}};
      first = false;
      frame.x = {std::min(frame.x.low, p.x), std::max(frame.x.high, p.x)};
      frame.y = {std::min(frame.y.low, low), std::max(frame.y.high, high)};
    }
  }
  if (chart.from_zero) frame.y.low = std::min(0.0, frame.y.low);
  if (frame.y.high <= frame.y.low) frame.y.high = frame.y.low + 1;
  return frame;
}

// Steps of 1, 2 or 5 times a power of ten, about four of them.
std::vector<double> Ticks(const Range& range) {
  const double raw = range.Span() / 4, power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= raw) step = factor * power;
  }
  std::vector<double> ticks;
  for (double tick = std::ceil(range.low / step) * step; tick <= range.high + 1e-9 * step;
       tick += step) {
    ticks.push_back(std::abs(tick) < 1e-9 * step ? 0 : tick);
  }
  return ticks;
}

std::string Number(double value) { return fmt::format("{:.4g}", value); }

std::string LineSvg(const ChartLine& line, const Frame& frame, char style) {
  std::string svg, path, band_up, band_down;
  for (const ChartPoint& p : line.points) {
    const double x = frame.X(p.x), y = frame.Y(p.y);
    if (line.dots) {
      if (p.low && p.high) {
        svg += fmt::format(
            "<line class=\"bar\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" "
            "y2=\"{2:.1f}\"/>",
            x, frame.Y(*p.low), frame.Y(*p.high));
      }
      svg += fmt::format("<circle class=\"dot\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"/>", x, y);
      continue;
    }
    path += fmt::format("{:.1f},{:.1f} ", x, y);
    if (p.low && p.high) {
      band_up += fmt::format("{:.1f},{:.1f} ", x, frame.Y(*p.high));
      band_down = fmt::format("{:.1f},{:.1f} ", x, frame.Y(*p.low)) + band_down;
    }
  }
  if (!band_up.empty()) {
    svg += fmt::format("<polygon class=\"band\" points=\"{}{}\"/>", band_up, band_down);
  }
  if (!path.empty()) svg += fmt::format("<polyline class=\"{}\" points=\"{}\"/>", style, path);
  return svg;
}

std::string Words(const Chart& chart) {
  std::string text = chart.title + ":";
  bool some = false;
  for (const ChartLine& line : chart.lines) {
    if (line.points.size() < 2) continue;
    const auto by_y = [](const ChartPoint& a, const ChartPoint& b) { return a.y < b.y; };
    const auto show = [&](double y) { return Number(chart.scale * y) + chart.unit; };
    const auto& p = line.points;
    text +=
        fmt::format("{} {}from {} at {} {} to {} at {} {}; lowest {}, highest {}", some ? ";" : "",
                    line.name.empty() ? "" : line.name + " ", show(p.front().y), chart.x_name,
                    Number(p.front().x), show(p.back().y), chart.x_name, Number(p.back().x),
                    show(std::min_element(p.begin(), p.end(), by_y)->y),
                    show(std::max_element(p.begin(), p.end(), by_y)->y));
    some = true;
  }
  return text + ".";
}

std::string AxesSvg(const Chart& chart, const Frame& frame) {
  std::string svg;
  Range shown{chart.scale * frame.y.low, chart.scale * frame.y.high};
  for (const double tick : Ticks(shown)) {
    const double y = frame.Y(tick / chart.scale);
    svg += fmt::format(
        "<line class=\"axis\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>"
        "<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}{}</text>",
        kLeft, kWidth - kRight, y, y, kLeft - 5, y + 4, Number(tick), chart.unit);
  }
  for (const double tick : Ticks(frame.x)) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                       frame.X(tick), kHeight - kBottom + 15, Number(tick));
  }
  for (const Chart::Mark& mark : chart.marks) {
    const double x = frame.X(mark.x);
    svg += fmt::format(
        "<line class=\"stage\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>"
        "<text x=\"{3:.1f}\" y=\"{4}\">{5}</text>",
        x, kTop, kHeight - kBottom, x + 3, kTop - 4, EscapeHtml(mark.text));
  }
  return svg + fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", kWidth - kRight,
                           kHeight - 5, EscapeHtml(chart.x_name));
}

std::string KeySvg(const Chart& chart) {
  std::string svg;
  double x = kLeft;
  for (std::size_t i = 0; i < chart.lines.size(); ++i) {
    const ChartLine& line = chart.lines[i];
    if (line.name.empty() || line.points.size() < 2) continue;
    svg += line.dots ? fmt::format("<circle class=\"dot\" cx=\"{}\" cy=\"{}\" r=\"3\"/>", x + 7,
                                   kHeight - 9)
                     : fmt::format(
                           "<line class=\"{0}\" x1=\"{1}\" x2=\"{2}\" y1=\"{3}\" "
                           "y2=\"{3}\"/>",
                           i == 0 ? 'a' : 'b', x, x + 14, kHeight - 9);
    svg += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>", x + 18, kHeight - 5,
                       EscapeHtml(line.name));
    x += 28 + 6.2 * static_cast<double>(line.name.size());
  }
  return svg;
}

}  // namespace

Block::Figure ChartFigure(const Chart& chart) {
  const bool drawn = std::any_of(chart.lines.begin(), chart.lines.end(),
                                 [](const ChartLine& line) { return line.points.size() >= 2; });
  if (!drawn) return {};
  const Frame frame = FrameOf(chart);
  Block::Figure figure;
  figure.words = Words(chart);
  figure.svg = fmt::format(
      "<svg role=\"img\" viewBox=\"0 0 {} {}\"><title>{}</title><text class=\"title\" x=\"4\" "
      "y=\"15\">{}</text>",
      kWidth, kHeight, EscapeHtml(figure.words), EscapeHtml(chart.title));
  figure.svg += AxesSvg(chart, frame) + KeySvg(chart);
  for (std::size_t i = 0; i < chart.lines.size(); ++i) {
    figure.svg += LineSvg(chart.lines[i], frame, i == 0 ? 'a' : 'b');
  }
  figure.svg += "</svg>";
  return figure;
}

}  // namespace pawl
