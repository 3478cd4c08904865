// What a person sees of a run on standard error: one line that is rewritten on a terminal, plain
// lines elsewhere.
#pragma once

#include <string>

namespace pawl {

class Progress {
 public:
  explicit Progress(bool enabled);  // a terminal is recognised by itself

  void Line(const std::string& text);  // stays on the screen
  // "basic  [#####.....] 12/30  reward 0.42  accuracy 0.61  812 tok/s  2:10 left"; empty parts are
  // left out.
  struct Step {
    std::string stage;
    int step = 0, total = 0;
    double reward = -1, loss = 0, accuracy = -1, tokens_per_second = 0, seconds_left = -1;
  };
  void Update(const Step& step);
  ~Progress();

 private:
  void Erase();
  bool enabled_, terminal_, drawn_ = false;
  double last_plain_ = 0;
};

std::string DurationText(double seconds);  // "45 s", "2:10", "3:02:11"

}  // namespace pawl
