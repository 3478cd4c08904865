// Small line charts as inline SVG with the same in words.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/document.h"

namespace pawl {

struct ChartPoint {
  double x = 0, y = 0;
  std::optional<double> low, high;  // an interval of y
};
struct ChartLine {
  std::string name;                // for the words and the key; may be empty with one line
  std::vector<ChartPoint> points;  // ascending x
  bool dots = false;               // points with their intervals instead of a line
};
struct Chart {
  std::string title, x_name;
  std::vector<ChartLine> lines;  // at most two
  struct Mark {
    double x = 0;
    std::string text;
  };
  std::vector<Mark> marks;  // where a stage begins
  double scale = 1;         // y values are shown times this
  std::string unit;         // after the numbers of the axis
  bool from_zero = false;   // the axis includes 0
};
// Nothing (an empty svg) where no line has two points or more.
Block::Figure ChartFigure(const Chart& chart);

}  // namespace pawl
