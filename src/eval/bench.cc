#include "eval/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "stats/intervals.h"

namespace pawl {
namespace {

Json IntervalJson(const std::optional<Interval>& interval) {
  return interval ? Json::array({interval->low, interval->high}) : Json();
}

// Accuracy of strict or flexible grading over all answers.
double ShareOf(const Evaluation& evaluation, bool AnswerRecord::*flag) {
  double right = 0;
  for (const ProblemRecord& problem : evaluation.problems) {
    for (const AnswerRecord& answer : problem.samples) right += answer.*flag ? 1 : 0;
  }
  return evaluation.Answers() == 0 ? 0 : right / static_cast<double>(evaluation.Answers());
}

// Whether the answer that most samples agree on is right; the one seen first of equals.  Samples
// without an answer do not vote.
bool MajorityRight(const ProblemRecord& problem) {
  std::map<std::string, int> votes;
  for (const AnswerRecord& answer : problem.samples) {
    if (answer.extracted) ++votes[*answer.extracted];
  }
  int best = 0;
  bool right = false;
  for (const AnswerRecord& answer : problem.samples) {
    if (!answer.extracted || votes[*answer.extracted] <= best) continue;
    best = votes[*answer.extracted];
    right = answer.correct;
  }
  return right;
}

// Whether the text ends in four copies of one unit of at least 4 bytes: a loop.
bool EndsInRepetition(const std::string& text) {
  for (std::size_t unit = 4; 4 * unit <= text.size(); ++unit) {
    const char* end = text.data() + text.size();
    if (std::equal(end - 3 * unit, end, end - 4 * unit)) return true;
  }
  return false;
}

Json PerLevel(const Evaluation& evaluation) {
  std::map<int, std::pair<double, int>> levels;
  for (const ProblemRecord& problem : evaluation.problems) {
    if (!problem.level) continue;
    levels[*problem.level].first += problem.Share();
    levels[*problem.level].second += 1;
  }
  Json json = Json::object();
  for (const auto& [level, sum] : levels) {
    json[std::to_string(level)] = {{"accuracy", sum.first / sum.second}, {"total", sum.second}};
  }
  return json;
}

// Fields for several answers a problem.
void AddSampled(const Evaluation& evaluation, int samples, Json& summary) {
  const auto n = static_cast<double>(evaluation.problems.size());
  const auto interval = TInterval(evaluation.Shares());
  summary["interval95"] = interval ? IntervalJson(interval->interval) : Json();
  summary["pass_at_k"] = Json::object();
  for (int k = 1; k <= samples; k *= 2) {
    double sum = 0;
    for (const ProblemRecord& problem : evaluation.problems) {
      sum += PassAtK(static_cast<long long>(problem.samples.size()),
                     static_cast<long long>(problem.Right()), k)
                 .value_or(0);
    }
    summary["pass_at_k"][std::to_string(k)] = sum / n;
  }
  const auto majority = static_cast<double>(
      std::count_if(evaluation.problems.begin(), evaluation.problems.end(), MajorityRight));
  summary["majority_accuracy"] = majority / n;
}

Json SummaryJson(const Evaluation& evaluation, const EvaluateSettings& settings,
                 const BenchFacts& facts) {
  double seconds = 0, empty = 0, repeated = 0;
  for (const ProblemRecord& problem : evaluation.problems) {
    for (const AnswerRecord& answer : problem.samples) {
      seconds += answer.seconds;
      empty += answer.completion.empty() ? 1 : 0;
      repeated += EndsInRepetition(answer.completion) ? 1 : 0;
    }
  }
  const auto right = static_cast<long long>(evaluation.CorrectAnswers());
  const auto total = static_cast<long long>(evaluation.Answers());
  const auto mean = [&](double sum) {
    return total > 0 ? Json(sum / static_cast<double>(total)) : Json();
  };
  const GenerationStats& stats = evaluation.stats;
  Json summary;
  summary["correct"] = right;
  summary["total"] = total;
  summary["accuracy"] = mean(static_cast<double>(right));
  summary["wilson95"] = IntervalJson(Wilson(right, total));
  summary["strict_accuracy"] = ShareOf(evaluation, &AnswerRecord::strict);
  summary["flexible_accuracy"] = ShareOf(evaluation, &AnswerRecord::flexible);
  summary["mean_generation_seconds"] = mean(seconds);
  summary["tokens_per_second"] =
      stats.decode_seconds > 0 ? Json(static_cast<double>(stats.new_tokens) / stats.decode_seconds)
                               : Json();
  summary["load_seconds"] = facts.load_seconds;
  summary["peak_rss_bytes"] = facts.peak_rss_bytes;
  summary["model_bytes"] = facts.model_bytes;
  summary["truncated_fraction"] = evaluation.TruncatedFraction();
  summary["problems"] = evaluation.problems.size();
  summary["mean_tokens"] = total > 0 ? Json(evaluation.MeanTokens()) : Json();
  summary["empty_fraction"] = mean(empty);
  summary["repeated_fraction"] = mean(repeated);
  summary["levels"] = PerLevel(evaluation);
  if (settings.samples > 1 && total > 0) AddSampled(evaluation, settings.samples, summary);
  summary["prefill_seconds"] = stats.prefill_seconds;
  summary["decode_seconds"] = stats.decode_seconds;
  summary["batch"] = settings.max_batch;
  // Of the tokens generated here: decoded together, and positions that each looked back at.
  const auto per = [](std::size_t sum, std::size_t n) {
    return n > 0 ? Json(static_cast<double>(sum) / static_cast<double>(n)) : Json();
  };
  summary["mean_batch"] = per(stats.new_tokens, stats.decode_steps);
  summary["mean_context"] = per(stats.context_tokens, stats.new_tokens);
  return summary;
}

}  // namespace

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

namespace {

Result<AnswerRecord> ParseAnswer(const Json& sample, const std::string& place) {
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
  return answer;
}

}  // namespace

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
    PAWL_ASSIGN(AnswerRecord answer, ParseAnswer(sample, place));
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
  const auto range = [&](const Json& x) {
    return x.is_null() ? std::string("-") : percent(x[0]) + " to " + percent(x[1]);
  };
  std::string text = fmt::format("# {}\n\n| measure | value |\n|---|---|\n", title);
  text += fmt::format("| problems | {} |\n", s.at("problems").get<std::size_t>());
  text += fmt::format("| right answers | {} of {} |\n", s.at("correct").get<long long>(),
                      s.at("total").get<long long>());
  text += fmt::format("| accuracy | {} |\n", percent(s.at("accuracy")));
  if (s.contains("interval95")) {
    text += fmt::format("| 95 % interval (over problems) | {} |\n", range(s.at("interval95")));
  } else {
    text += fmt::format("| 95 % interval (Wilson) | {} |\n", range(s.at("wilson95")));
  }
  text += fmt::format("| strict / flexible | {} / {} |\n", percent(s.at("strict_accuracy")),
                      percent(s.at("flexible_accuracy")));
  for (const auto& [level, values] : s.at("levels").items()) {
    text += fmt::format("| level {} | {} of {} |\n", level, percent(values.at("accuracy")),
                        values.at("total").get<int>());
  }
  const Json pass_at_k = s.value("pass_at_k", Json::object());
  for (const auto& [k, value] : pass_at_k.items()) {
    text += fmt::format("| pass@{} | {} |\n", k, percent(value));
  }
  if (s.contains("majority_accuracy")) {
    text += fmt::format("| majority vote | {} |\n", percent(s.at("majority_accuracy")));
  }
  text += fmt::format("| truncated / empty / repeating | {} / {} / {} |\n",
                      percent(s.at("truncated_fraction")), percent(s.at("empty_fraction")),
                      percent(s.at("repeated_fraction")));
  text += fmt::format("| loading / prefill / decode | {:.2f} s / {:.2f} s / {:.2f} s |\n",
                      s.at("load_seconds").get<double>(), s.at("prefill_seconds").get<double>(),
                      s.at("decode_seconds").get<double>());
  if (!s.at("tokens_per_second").is_null()) {
    text += fmt::format("| decode, batches of up to {} | {:.0f} tokens/s |\n",
                        s.at("batch").get<int>(), s.at("tokens_per_second").get<double>());
  }
  return text;
}

}  // namespace pawl
