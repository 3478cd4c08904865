// Betting e-processes on bounded differences (Waudby-Smith & Ramdas 2024, arXiv:2010.09686):
// evidence that may be looked at after every problem.  Under the null P(sup E >= 1/alpha) <= alpha
// at any stopping time (Ville 1939).
#pragma once

#include <array>

namespace pawl {

// E(n) = mean over j = 1..15 of prod_i (1 + (j/16) * scale * x_i), x_i >= -1/scale.
//   regression      x = -D,        scale 1               H0: E[D] >= 0
//   non-inferiority x = D + delta, scale 1/(1 - delta)   H0: E[D] <= -delta
//   improvement     x = D,         scale 1               H0: E[D] <= 0
class EProcess {
 public:
  explicit EProcess(double scale = 1.0) : scale_(scale) {}
  void Add(double x);
  double Log() const;    // log E; 0 before the first value
  double Value() const;  // E, capped at the largest double

 private:
  double scale_;
  std::array<double, 15> log_sums_{};
};

// The three on one sequence of paired differences D = candidate - anchor in [-1, 1].
class PairedEvidence {
 public:
  explicit PairedEvidence(double delta) : delta_(delta), noninferior_(1 / (1 - delta)) {}
  void Add(double difference) {
    regression_.Add(-difference);
    noninferior_.Add(difference + delta_);
    improvement_.Add(difference);
  }
  double Regression() const { return regression_.Value(); }
  double NonInferior() const { return noninferior_.Value(); }
  double Improvement() const { return improvement_.Value(); }

 private:
  double delta_;
  EProcess regression_, noninferior_, improvement_;
};

// For one answer a problem, the continuous mixture over [0, 1] in closed form, L losses and W wins:
// 2^(d+1) / ((d+1) C(d, L)) * P(Bin(d+1, 1/2) <= L), d = L + W.
double RegressionClosedForm(long long losses, long long wins);

// The margin of non-inferiority that goes with a baseline accuracy: clamp(accuracy / 6, 0.03,
// 0.05).
double DefaultMargin(double baseline_accuracy);

}  // namespace pawl
