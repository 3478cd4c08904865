// What models answered to the gate's problems, so that an anchor is asked once, not at every gate.
// A cache: a resumed run asks again and gets the same answers.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace pawl {

class GateAnswers {
 public:
  // who: the model and the settings of its answers; problem: index in the gate's pool.
  std::optional<double> Find(const std::string& who, std::size_t problem) const {
    const auto model = shares_.find(who);
    if (model == shares_.end()) return std::nullopt;
    const auto share = model->second.find(problem);
    return share == model->second.end() ? std::nullopt : std::optional<double>(share->second);
  }
  void Add(const std::string& who, std::size_t problem, double share) {
    shares_[who][problem] = share;
  }

 private:
  std::map<std::string, std::map<std::size_t, double>> shares_;
};

}  // namespace pawl
