#include "grpo/debug_cases.h"

#include <fmt/format.h>

#include <cmath>

#include "grpo/metrics.h"

namespace pawl {
namespace {

// The tokens of a row that the mask keeps.
struct Packed {
  std::vector<std::size_t> places;  // within the row
  std::vector<float> log_probs, old, reference, sampling, entropies;
};

Status CheckTable(const GrpoCase& c, const GrpoTables& tables, const char* name,
                  const std::vector<float>& values, bool needed, bool may_be_nan) {
  if (values.empty()) {
    if (!needed) return {};
    return BadFile(fmt::format("{}/{}: the tensor is missing, the case needs it", c.name, name));
  }
  if (values.size() != c.batch * c.width) {
    return BadFile(fmt::format("{}/{}: {} values, expected {} x {}", c.name, name, values.size(),
                               c.batch, c.width));
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (tables.mask[i] == 0 || std::isfinite(values[i])) continue;
    if (may_be_nan && std::isnan(values[i])) continue;
    return BadFile(fmt::format("{}/{}: row {} token {} is {}, expected a finite number", c.name,
                               name, i / c.width, i % c.width, values[i]));
  }
  return {};
}

Status CheckTables(const GrpoCase& c, const GrpoTables& t) {
  if (t.mask.size() != c.batch * c.width) {
    return BadFile(fmt::format("{}/completion_mask: {} values, expected {} x {}", c.name,
                               t.mask.size(), c.batch, c.width));
  }
  for (const std::int32_t value : t.mask) {
    if (value != 0 && value != 1) {
      return BadFile(fmt::format("{}/completion_mask: holds {}, expected 0 or 1", c.name, value));
    }
  }
  const GrpoLossConfig& loss = c.loss;
  const bool corrected = loss.sampling_correction.mode != SamplingCorrectionMode::kNone;
  const bool entropy = loss.top_entropy_quantile < 1 || loss.entropy_coef != 0;
  PAWL_TRY(CheckTable(c, t, "logps", t.log_probs, true, false));
  PAWL_TRY(CheckTable(c, t, "old_logps", t.old_log_probs, c.old_log_probs_given, false));
  PAWL_TRY(CheckTable(c, t, "ref_logps", t.ref_log_probs, loss.beta != 0, false));
  PAWL_TRY(CheckTable(c, t, "sampling_logps", t.sampling_log_probs, corrected, true));
  PAWL_TRY(CheckTable(c, t, "entropies", t.entropies, entropy, false));
  if (t.rewards.size() != c.batch * c.reward_weights.size()) {
    return BadFile(fmt::format("{}/rewards: {} values, expected {} x {}", c.name, t.rewards.size(),
                               c.batch, c.reward_weights.size()));
  }
  for (const float reward : t.rewards) {
    if (std::isinf(reward)) return BadFile(c.name + "/rewards: a reward is infinite");
  }
  return {};
}

Packed PackRow(const GrpoCase& c, const GrpoTables& t, std::size_t row) {
  Packed out;
  for (std::size_t k = 0; k < c.width; ++k) {
    if (t.mask[row * c.width + k] != 0) out.places.push_back(k);
  }
  const auto pack = [&](const std::vector<float>& from) {
    std::vector<float> values;
    if (from.empty()) return values;
    for (const std::size_t k : out.places) values.push_back(from[row * c.width + k]);
    return values;
  };
  out.log_probs = pack(t.log_probs);
  out.old = c.old_log_probs_given ? pack(t.old_log_probs) : std::vector<float>();
  out.reference = pack(t.ref_log_probs);
  out.sampling = pack(t.sampling_log_probs);
  out.entropies = pack(t.entropies);
  return out;
}

AdvantageInput RewardsOf(const GrpoCase& c, const GrpoTables& t) {
  AdvantageInput input;
  input.weights = c.reward_weights;
  input.group_size = c.num_generations;
  const std::size_t count = c.reward_weights.size();
  for (std::size_t r = 0; r < c.batch; ++r) {
    std::vector<double>& row = input.rewards.emplace_back();
    for (std::size_t k = 0; k < count; ++k) {
      row.push_back(static_cast<double>(t.rewards[r * count + k]));
    }
  }
  return input;
}

Json ObjectOf(const NamedNumbers& numbers) {
  Json object = Json::object();
  for (const auto& [name, value] : numbers) object[name] = value;
  return object;
}

Json GenerationObject(const GrpoCase& c, const AdvantageInput& input, const Advantages& advantages,
                      std::span<const LossRow> rows) {
  std::vector<CompletionLength> lengths;
  for (std::size_t r = 0; r < c.batch; ++r) {
    lengths.push_back({c.completion_lengths[r], c.truncated[r]});
  }
  std::vector<std::string> names;
  for (std::size_t k = 0; k < c.reward_weights.size(); ++k) {
    names.push_back(fmt::format("reward{}", k));
  }
  NamedNumbers numbers = GenerationMetrics(lengths, input, names, advantages);
  if (c.loss.sampling_correction.mode != SamplingCorrectionMode::kNone) {
    for (auto& number : SamplingMetrics(c.loss.sampling_correction, rows)) {
      numbers.push_back(std::move(number));
    }
  }
  return ObjectOf(numbers);
}

}  // namespace

Result<GrpoCaseOutput> RunGrpoCase(const GrpoCase& c, const GrpoTables& tables) {
  PAWL_TRY(CheckTables(c, tables));
  const AdvantageInput input = RewardsOf(c, tables);
  const Advantages advantages = GroupAdvantages(input, c.scale_rewards, c.aggregation);
  std::vector<Packed> packed;
  std::vector<LossRow> rows;
  packed.reserve(c.batch);  // the rows below keep views of it
  for (std::size_t r = 0; r < c.batch; ++r) {
    const Packed& p = packed.emplace_back(PackRow(c, tables, r));
    rows.push_back(
        {p.log_probs, p.old, p.reference, advantages.values[r], false, p.sampling, p.entropies});
  }
  GrpoCaseOutput out;
  out.advantages = advantages.values;
  out.grad_log_probs.assign(c.batch * c.width, 0.0);
  if (c.loss.entropy_coef != 0) out.grad_entropies.assign(c.batch * c.width, 0.0);
  out.metrics = Json::array();
  for (const auto& [begin, end] : c.micro_batches) {
    const LossOutput loss =
        GrpoLoss(c.loss, std::span<const LossRow>(rows).subspan(begin, end - begin), c.scale);
    out.losses.push_back(loss.loss);
    out.metrics.push_back(ObjectOf(LossMetrics(c.loss, loss)));
    for (std::size_t r = begin; r < end; ++r) {
      for (std::size_t k = 0; k < packed[r].places.size(); ++k) {
        const std::size_t place = r * c.width + packed[r].places[k];
        out.grad_log_probs[place] += loss.dloss_dlogp[r - begin][k];
        if (c.loss.entropy_coef != 0) {
          out.grad_entropies[place] += loss.dloss_dentropy[r - begin][k];
        }
      }
    }
  }
  out.generation_metrics = GenerationObject(c, input, advantages, rows);
  return out;
}

}  // namespace pawl
