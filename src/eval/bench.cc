#include "eval/bench.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <map>

#include "base/file.h"

namespace pawl {
namespace {

Json IntervalJson(const std::optional<Interval>& interval) {
  return interval ? Json::array({interval->low, interval->high}) : Json();
}

// Accuracy of strict or flexible grading over all samples.
double Share(const Evaluation& evaluation, bool AnswerRecord::*flag) {
  double sum = 0;
  for (const ProblemRecord& problem : evaluation.problems) {
    double right = 0;
    for (const AnswerRecord& answer : problem.samples) right += answer.*flag ? 1 : 0;
    if (!problem.samples.empty()) sum += right / static_cast<double>(problem.samples.size());
  }
  return evaluation.problems.empty() ? 0 : sum / static_cast<double>(evaluation.problems.size());
}

// The answer that most samples agree on is right; ties go to the answer seen first.
bool MajorityRight(const ProblemRecord& problem) {
  std::map<std::string, int> votes;
  int best = 0;
  bool right = false;
  for (const AnswerRecord& answer : problem.samples) ++votes[answer.extracted.value_or("")];
  for (const AnswerRecord& answer : problem.samples) {
    const int count = votes[answer.extracted.value_or("")];
    if (count > best) {
      best = count;
      right = answer.correct;
    }
  }
  return right;
}

Json PerLevel(const Evaluation& evaluation) {
  std::map<int, std::pair<double, int>> levels;
  for (const ProblemRecord& problem : evaluation.problems) {
    if (!problem.level || problem.samples.empty()) continue;
    double right = 0;
    for (const AnswerRecord& answer : problem.samples) right += answer.correct ? 1 : 0;
    levels[*problem.level].first += right / static_cast<double>(problem.samples.size());
    levels[*problem.level].second += 1;
  }
  Json json = Json::object();
  for (const auto& [level, sum] : levels) {
    json[std::to_string(level)] = {{"accuracy", sum.first / sum.second}, {"total", sum.second}};
  }
  return json;
}

Json SummaryJson(const Evaluation& evaluation, const EvaluateSettings& settings,
                 const BenchFacts& facts) {
  double seconds = 0, answers = 0, majority = 0, any = 0, empty = 0, tokens = 0;
  for (const ProblemRecord& problem : evaluation.problems) {
    bool hit = false;
    for (const AnswerRecord& answer : problem.samples) {
      seconds += answer.seconds;
      answers += 1;
      tokens += answer.tokens;
      empty += answer.completion.empty() ? 1 : 0;
      hit = hit || answer.correct;
    }
    any += hit ? 1 : 0;
    majority += MajorityRight(problem) ? 1 : 0;
  }
  const auto total = evaluation.problems.size();
  const double n = static_cast<double>(total);
  const auto correct = evaluation.CorrectProblems();
  const GenerationStats& stats = evaluation.stats;
  Json summary;
  summary["correct"] = correct;
  summary["total"] = total;
  summary["accuracy"] = evaluation.Accuracy();
  summary["wilson95"] =
      IntervalJson(Wilson(static_cast<long long>(correct), static_cast<long long>(total)));
  summary["strict_accuracy"] = Share(evaluation, &AnswerRecord::strict);
  summary["flexible_accuracy"] = Share(evaluation, &AnswerRecord::flexible);
  summary["mean_generation_seconds"] = answers > 0 ? Json(seconds / answers) : Json();
  summary["tokens_per_second"] =
      stats.decode_seconds > 0 ? Json(static_cast<double>(stats.new_tokens) / stats.decode_seconds)
                               : Json();
  summary["load_seconds"] = facts.load_seconds;
  summary["peak_rss_bytes"] = facts.peak_rss_bytes;
  summary["model_bytes"] = facts.model_bytes;
  summary["truncated_fraction"] = evaluation.TruncatedFraction();
  summary["mean_tokens"] = answers > 0 ? Json(tokens / answers) : Json();
  summary["empty_fraction"] = answers > 0 ? Json(empty / answers) : Json();
  summary["levels"] = PerLevel(evaluation);
  if (settings.samples > 1) {
    summary["pass_at_k"] = n > 0 ? Json(any / n) : Json();
    summary["majority_accuracy"] = n > 0 ? Json(majority / n) : Json();
    std::vector<double> means;
    for (const auto& [id, samples] : evaluation.OutcomesById()) {
      double right = 0;
      for (const bool ok : samples) right += ok ? 1 : 0;
      means.push_back(right / static_cast<double>(samples.size()));
    }
    const auto interval = TInterval(means);
    summary["interval95"] = interval ? IntervalJson(interval->interval) : Json();
  }
  summary["prefill_seconds"] = stats.prefill_seconds;
  summary["decode_seconds"] = stats.decode_seconds;
  summary["batch"] = settings.max_batch;
  return summary;
}

}  // namespace

std::size_t PeakResidentBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

Json ProblemRecordJson(const ProblemRecord& record) {
  Json samples = Json::array();
  for (const AnswerRecord& answer : record.samples) {
    samples.push_back({{"completion", answer.completion},
                       {"extracted", answer.extracted ? Json(*answer.extracted) : Json()},
                       {"correct", answer.correct},
                       {"tokens", answer.tokens},
                       {"seconds", answer.seconds},
                       {"finish_reason", FinishReasonName(answer.finish_reason)},
                       {"strict", answer.strict},
                       {"flexible", answer.flexible}});
  }
  Json json{{"id", record.id}, {"question", record.question}, {"gold", record.gold}};
  if (record.level) json["level"] = *record.level;
  json["samples"] = std::move(samples);
  return json;
}

Result<ProblemRecord> ParseProblemRecord(const Json& json, const std::string& place) {
  ProblemRecord record;
  PAWL_ASSIGN(record.id, JsonString(json, "id", place));
  PAWL_ASSIGN(record.question, JsonString(json, "question", place));
  PAWL_ASSIGN(record.gold, JsonString(json, "gold", place));
  if (json.contains("level") && json.at("level").is_number_integer()) {
    record.level = json.at("level").get<int>();
  }
  if (!json.contains("samples") || !json.at("samples").is_array()) {
    return BadFile(place + ": \"samples\" must be a list");
  }
  for (const Json& sample : json.at("samples")) {
    AnswerRecord answer;
    PAWL_ASSIGN(answer.completion, JsonString(sample, "completion", place));
    if (sample.contains("extracted") && sample.at("extracted").is_string()) {
      answer.extracted = sample.at("extracted").get<std::string>();
    }
    PAWL_ASSIGN(answer.correct, JsonBool(sample, "correct", place));
    PAWL_ASSIGN(answer.strict, JsonBool(sample, "strict", place));
    PAWL_ASSIGN(answer.flexible, JsonBool(sample, "flexible", place));
    PAWL_ASSIGN(const long long tokens, JsonInt(sample, "tokens", place));
    answer.tokens = static_cast<int>(tokens);
    PAWL_ASSIGN(answer.seconds, JsonNumber(sample, "seconds", place));
    PAWL_ASSIGN(const std::string reason, JsonString(sample, "finish_reason", place));
    answer.finish_reason = reason == "stop" ? FinishReason::kStop : FinishReason::kLength;
    record.samples.push_back(std::move(answer));
  }
  return record;
}

Json BenchJson(const Evaluation& evaluation, const EvaluateSettings& settings,
               const BenchFacts& facts) {
  Json json;
  json["format_version"] = 1;
  json["model"] = {{"path", facts.model_path},
                   {"sha256", facts.model_sha256},
                   {"parameters", facts.parameters},
                   {"precision", facts.precision},
                   {"adapter", facts.adapter.empty() ? Json() : Json(facts.adapter)}};
  json["settings"] = {{"data", facts.data},
                      {"data_sha256", facts.data_sha256},
                      {"limit", facts.limit > 0 ? Json(facts.limit) : Json()},
                      {"samples", settings.samples},
                      {"temperature", settings.temperature},
                      {"greedy", settings.greedy},
                      {"max_new_tokens", settings.max_new_tokens},
                      {"seed", settings.seed},
                      {"prompt_sha256", facts.prompt_sha256},
                      {"reward", facts.reward},
                      {"threads", facts.threads}};
  json["problems"] = Json::array();
  for (const ProblemRecord& record : evaluation.problems) {
    json["problems"].push_back(ProblemRecordJson(record));
  }
  json["summary"] = SummaryJson(evaluation, settings, facts);
  return json;
}

std::string BenchMarkdown(const Json& bench, const std::string& title) {
  const Json& s = bench.at("summary");
  const auto percent = [](const Json& x) {
    return x.is_null() ? std::string("-") : fmt::format("{:.1f} %", 100 * x.get<double>());
  };
  std::string text = fmt::format("# {}\n\n| measure | value |\n|---|---|\n", title);
  text += fmt::format("| problems | {} |\n", s.at("total").get<std::size_t>());
  text += fmt::format("| accuracy | {} |\n", percent(s.at("accuracy")));
  if (!s.at("wilson95").is_null()) {
    text += fmt::format("| 95 % interval (first answer, Wilson) | {} to {} |\n",
                        percent(s.at("wilson95")[0]), percent(s.at("wilson95")[1]));
  }
  text += fmt::format("| strict / flexible | {} / {} |\n", percent(s.at("strict_accuracy")),
                      percent(s.at("flexible_accuracy")));
  for (const auto& [level, values] : s.at("levels").items()) {
    text += fmt::format("| level {} | {} of {} |\n", level, percent(values.at("accuracy")),
                        values.at("total").get<int>());
  }
  text += fmt::format("| truncated | {} |\n", percent(s.at("truncated_fraction")));
  if (!s.at("tokens_per_second").is_null()) {
    text += fmt::format("| decode, batches of up to {} | {:.0f} tokens/s |\n",
                        s.at("batch").get<int>(), s.at("tokens_per_second").get<double>());
  }
  return text;
}

}  // namespace pawl
