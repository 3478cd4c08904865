#include "pipeline/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace pawl {
namespace {

constexpr std::size_t kWindow = 20, kEnough = 10;

std::optional<double> Number(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::optional<double> Median(const Json& list) {
  std::vector<double> values;
  for (const Json& value : list) values.push_back(value.get<double>());
  if (values.size() < kEnough) return std::nullopt;
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

}  // namespace

void RememberStep(Json& memory, const Json& metrics) {
  if (!memory.contains("first")) {
    Json first = Json::object();
    for (const char* name : {"entropy", "completions/clipped_ratio", "completions/repetition_ratio",
                             "completions/answered_ratio"}) {
      if (const auto value = Number(metrics, name)) first[name] = *value;
    }
    memory["first"] = first;
    memory["grad_norms"] = Json::array();
  }
  if (const auto norm = Number(metrics, "grad_norm")) {
    Json& norms = memory["grad_norms"];
    norms.push_back(*norm);
    if (norms.size() > kWindow) norms.erase(0);
  }
}

std::string TrippedBy(const HealthSection& health, const Json& memory, const Json& metrics) {
  const auto kl = Number(metrics, "kl"), entropy = Number(metrics, "entropy");
  if (kl && *kl > health.max_kl) {
    return fmt::format("kl {:.3g} exceeds health.max_kl {:.3g}", *kl, health.max_kl);
  }
  if (entropy && *entropy < health.min_entropy) {
    return fmt::format("entropy {:.3g} is below health.min_entropy {:.3g}", *entropy,
                       health.min_entropy);
  }
  if (!memory.contains("first")) return "";
  const Json& first = memory.at("first");
  const auto entropy_then = Number(first, "entropy");
  if (health.max_entropy_ratio > 0 && entropy && entropy_then && *entropy > 1 &&
      *entropy > health.max_entropy_ratio * *entropy_then) {
    return fmt::format("entropy {:.3g} is more than {:.3g} times that of the first step", *entropy,
                       health.max_entropy_ratio);
  }
  const auto norm = Number(metrics, "grad_norm"), median = Median(memory.at("grad_norms"));
  if (health.max_grad_norm_ratio > 0 && norm && median &&
      *norm > health.max_grad_norm_ratio * *median) {
    return fmt::format("grad_norm {:.3g} is more than {:.3g} times its median {:.3g}", *norm,
                       health.max_grad_norm_ratio, *median);
  }
  const struct {
    const char *name, *what;
    double limit;
  } shares[] = {{"completions/clipped_ratio", "truncated", health.max_truncated},
                {"completions/repetition_ratio", "repeating", health.max_repetition}};
  for (const auto& share : shares) {
    const auto now = Number(metrics, share.name), then = Number(first, share.name);
    if (now && then && *now > share.limit && *then < share.limit / 5) {
      return fmt::format("{:.0f} % of completions are {}, at first {:.0f} %", 100 * *now,
                         share.what, 100 * *then);
    }
  }
  const auto answered = Number(metrics, "completions/answered_ratio");
  const auto answered_then = Number(first, "completions/answered_ratio");
  if (health.format && answered && answered_then && *answered == 0 && *answered_then >= 0.5) {
    return fmt::format("no completion has an answer, at first {:.0f} % had one",
                       100 * *answered_then);
  }
  return "";
}

}  // namespace pawl
