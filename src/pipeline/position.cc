#include "pipeline/position.h"

#include <fmt/format.h>

#include <algorithm>

namespace pawl {
namespace {

// The one list of fields: f(name, member) for each.
template <class Position, class F>
void ForEachField(Position& p, F&& f) {
  f("stage", p.stage);
  f("attempt", p.attempt);
  f("step", p.step);
  f("validated_step", p.validated_step);
  f("checked_step", p.checked_step);
  f("learning_rate_scale", p.learning_rate_scale);
  f("next_document", p.next_document);
  f("first_accuracy", p.first_accuracy);
  f("best_accuracy", p.best_accuracy);
  f("best_step", p.best_step);
  f("evaluations_without_best", p.evaluations_without_best);
  f("unhealthy", p.unhealthy);
  f("healthy_step", p.healthy_step);
  f("healthy_document", p.healthy_document);
  f("tripped", p.tripped);
  f("health", p.health);
  f("pass_rates", p.pass_rates);
  f("kept", p.kept);
  f("metrics_bytes", p.metrics_bytes);
  f("rollouts_bytes", p.rollouts_bytes);
  f("log_bytes", p.log_bytes);
  f("stage_seconds", p.stage_seconds);
  f("run_seconds", p.run_seconds);
  f("benchmark_seconds", p.benchmark_seconds);
  f("seconds_per_answer", p.seconds_per_answer);
  f("new_tokens", p.new_tokens);
  f("trained_tokens", p.trained_tokens);
  f("ended", p.ended);
  f("stages", p.stages);
  f("base", p.base);
}

bool IsListsOfNumbers(const Json& json) {
  return json.is_object() && std::all_of(json.begin(), json.end(), [](const Json& list) {
           return list.is_array() && std::all_of(list.begin(), list.end(),
                                                 [](const Json& v) { return v.is_number(); });
         });
}

bool IsHealthMemory(const Json& json) {
  if (json.is_object() && json.empty()) return true;
  return json.is_object() && json.value("first", Json()).is_object() &&
         IsListsOfNumbers({{"grad_norms", json.value("grad_norms", Json())}});
}

}  // namespace

Json PositionJson(const RunPosition& position) {
  Json json{{"format_version", 1}};
  ForEachField(position, [&](const char* name, const auto& member) { json[name] = member; });
  return json;
}

Result<RunPosition> ParsePosition(const Json& json) {
  if (!json.is_object() || json.value("format_version", Json()) != 1) {
    return BadFile("position.json: format_version is not 1; it was written by another version");
  }
  RunPosition p;
  std::string wrong;
  ForEachField(p, [&](const char* name, auto& member) {
    using Member = std::decay_t<decltype(member)>;
    const auto found = json.find(name);
    if (found == json.end()) {
      wrong = fmt::format("position.json: has no \"{}\"", name);
      return;
    }
    const bool fits = std::is_same_v<Member, Json>          ? true
                      : std::is_same_v<Member, std::string> ? found->is_string()
                      : std::is_integral_v<Member>          ? found->is_number_integer()
                                                            : found->is_number();
    if (fits) {
      member = found->template get<Member>();
    } else {
      wrong = fmt::format("position.json: \"{}\" has the wrong type", name);
    }
  });
  if (wrong.empty() &&
      (p.stage < 0 || p.attempt < 0 || p.step < 0 || !p.stages.is_array() ||
       !IsHealthMemory(p.health) || !IsListsOfNumbers(p.pass_rates) || !IsListsOfNumbers(p.kept))) {
    wrong =
        "position.json: stage, attempt and step must be 0 or more, stages a list, health an "
        "object, pass_rates and kept lists of numbers";
  }
  if (!wrong.empty()) return BadFile(wrong);
  return p;
}

}  // namespace pawl
