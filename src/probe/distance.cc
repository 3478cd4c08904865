#include "probe/distance.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

namespace pawl {
namespace {

// Row-major B [out, r] and A [r, in] of one module.
struct Factors {
  std::vector<double> a, b;
  std::size_t rank = 0, in = 0, out = 0;
};

std::map<std::string, Factors> ModulesOf(Adapter& adapter) {
  constexpr std::string_view kA = ".lora_A.weight", kB = ".lora_B.weight";
  std::map<std::string, Factors> modules;
  for (const Parameter& parameter : AdapterTensors(adapter)) {
    const bool is_a = parameter.name.ends_with(kA);
    Factors& module = modules[parameter.name.substr(0, parameter.name.size() - kA.size())];
    const std::vector<float> values = ReadParameter(parameter);
    if (is_a) {
      module.rank = parameter.shape[0];
      module.in = parameter.shape[1];
      module.a.assign(values.begin(), values.end());
    } else if (parameter.name.ends_with(kB)) {
      module.out = parameter.shape[0];
      module.b.assign(values.begin(), values.end());
      for (double& b : module.b) b *= static_cast<double>(adapter.scale);
    }
  }
  return modules;
}

// x' y for the columns of B (x, y [out, r]), or x y' for the rows of A (x, y [r, in]): [rx, ry].
std::vector<double> Gram(const std::vector<double>& x, const std::vector<double>& y, std::size_t rx,
                         std::size_t ry, std::size_t n, bool columns) {
  std::vector<double> gram(rx * ry);
  for (std::size_t i = 0; i < rx; ++i) {
    for (std::size_t j = 0; j < ry; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < n; ++k) {
        sum += columns ? x[k * rx + i] * y[k * ry + j] : x[i * n + k] * y[j * n + k];
      }
      gram[i * ry + j] = sum;
    }
  }
  return gram;
}

// Inner product of B1 A1 and B2 A2: trace((B1' B2)(A2 A1')).
double Inner(const Factors& x, const Factors& y) {
  const auto b = Gram(x.b, y.b, x.rank, y.rank, x.out, true);
  const auto a = Gram(x.a, y.a, x.rank, y.rank, x.in, false);
  double sum = 0;
  for (std::size_t i = 0; i < b.size(); ++i) sum += a[i] * b[i];
  return sum;
}

template <class Combine>
double SumOver(Model& a, Model& b, const Combine& combine) {
  const auto left = Parameters(a.config, a.weights), right = Parameters(b.config, b.weights);
  double sum = 0;
  for (std::size_t p = 0; p < left.size(); ++p) {
    const std::vector<float> x = ReadParameter(left[p]), y = ReadParameter(right[p]);
    for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      sum += combine(static_cast<double>(x[i]), static_cast<double>(y[i]));
    }
  }
  return sum;
}

}  // namespace

double WeightNorm(Model& model) {
  return std::sqrt(SumOver(model, model, [](double x, double) { return x * x; }));
}

double WeightDistance(Model& a, Model& b) {
  return std::sqrt(SumOver(a, b, [](double x, double y) { return (x - y) * (x - y); }));
}

double AdapterDistance(Adapter& a, Adapter& b) {
  const auto left = ModulesOf(a), right = ModulesOf(b);
  double sum = 0;
  for (const auto& [name, x] : left) {
    const auto other = right.find(name);
    sum += Inner(x, x);
    if (other == right.end()) continue;
    sum += Inner(other->second, other->second) - 2 * Inner(x, other->second);
  }
  return std::sqrt(std::max(0.0, sum));
}

RankUse AdapterRank(Adapter& adapter) {
  RankUse use;
  for (const auto& [name, m] : ModulesOf(adapter)) {
    const auto b = Gram(m.b, m.b, m.rank, m.rank, m.out, true);
    const auto a = Gram(m.a, m.a, m.rank, m.rank, m.in, false);
    // Eigenvalues of M = B'B AA' are the squared singular values of BA.
    double trace = 0, square = 0;
    std::vector<double> product(m.rank * m.rank);
    for (std::size_t i = 0; i < m.rank; ++i) {
      for (std::size_t j = 0; j < m.rank; ++j) {
        for (std::size_t k = 0; k < m.rank; ++k) {
          product[i * m.rank + j] += b[i * m.rank + k] * a[k * m.rank + j];
        }
      }
      trace += product[i * m.rank + i];
    }
    for (std::size_t i = 0; i < m.rank; ++i) {
      for (std::size_t k = 0; k < m.rank; ++k) {
        square += product[i * m.rank + k] * product[k * m.rank + i];
      }
    }
    if (trace <= 0 || square <= 0) continue;
    use.effective += trace * trace / square;
    ++use.modules;
  }
  if (use.modules > 0) use.effective /= use.modules;
  return use;
}

}  // namespace pawl
