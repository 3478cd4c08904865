#include "data/problem_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>

#include "base/file.h"
#include "base/file_system.h"
#include "base/json.h"
#include "base/text.h"

namespace pawl {
namespace {

Status ReadMessages(const Json& list, const std::string& place, Problem& problem) {
  if (!list.is_array() || list.empty()) {
    return BadFile(place + ": \"messages\" must be a list of {\"role\",\"content\"}");
  }
  for (const Json& message : list) {
    PAWL_ASSIGN(std::string role, JsonString(message, "role", place));
    PAWL_ASSIGN(std::string content, JsonString(message, "content", place));
    problem.messages.push_back({std::move(role), std::move(content)});
  }
  return {};
}

Result<Problem> ParseProblem(const Json& json, const std::string& place, std::string default_id) {
  if (!json.is_object()) return BadFile(place + ": is not a JSON object");
  Problem problem;
  problem.id = std::move(default_id);
  if (json.contains("id")) {
    PAWL_ASSIGN(problem.id, JsonString(json, "id", place));
    if (problem.id.empty()) return BadFile(place + ": \"id\" is empty; leave it out or name it");
  }
  if (json.contains("messages")) {
    PAWL_TRY(ReadMessages(json.at("messages"), place, problem));
  } else {
    PAWL_ASSIGN(problem.question, JsonString(json, "question", place));
  }
  PAWL_ASSIGN(const std::string answer, JsonString(json, "answer", place));
  const std::size_t marker = answer.rfind("####");
  if (marker != std::string::npos) {
    problem.answer = Trimmed(std::string_view(answer).substr(marker + 4));
    problem.solution = Trimmed(std::string_view(answer).substr(0, marker));
  } else {
    problem.answer = Trimmed(answer);
  }
  if (problem.answer.empty()) return BadFile(place + ": \"answer\" is empty");
  if (json.contains("solution")) {
    PAWL_ASSIGN(problem.solution, JsonString(json, "solution", place));
  }
  if (json.contains("level") && !json.at("level").is_null()) {
    PAWL_ASSIGN(const long long level, JsonInt(json, "level", place));
    if (level < 0 || level > 1000) return BadFile(place + ": \"level\" must lie in 0 to 1000");
    problem.level = static_cast<int>(level);
  }
  return problem;
}

Json ProblemJson(const Problem& problem) {
  Json json{{"id", problem.id}};
  if (problem.messages.empty()) {
    json["question"] = problem.question;
  } else {
    json["messages"] = Json::array();
    for (const ChatMessage& message : problem.messages) {
      json["messages"].push_back({{"role", message.role}, {"content", message.content}});
    }
  }
  json["answer"] = problem.answer;
  if (!problem.solution.empty()) json["solution"] = problem.solution;
  if (problem.level) json["level"] = *problem.level;
  return json;
}

}  // namespace

const char* SplitName(Split split) {
  return split == Split::kTrain ? "train" : split == Split::kValidation ? "validation" : "test";
}

Result<std::vector<Problem>> ReadProblems(const std::filesystem::path& file) {
  PAWL_ASSIGN(const std::string text, ReadFile(file));
  std::vector<Problem> problems;
  std::map<std::string, std::size_t> line_of_id;
  PAWL_TRY(ForEachLine(text, [&](std::string_view line, std::size_t number) -> Status {
    if (Trimmed(line).empty()) return {};
    const std::string place = fmt::format("{}: line {} (counted from 0)", file.string(), number);
    PAWL_ASSIGN(const Json json, ParseJson(line, place));
    PAWL_ASSIGN(Problem problem,
                ParseProblem(json, place, fmt::format("{}-{}", file.stem().string(), number)));
    const auto [first, fresh] = line_of_id.emplace(problem.id, number);
    if (!fresh) {
      return BadFile(fmt::format("{}: id \"{}\" was used before, by line {}; ids must be unique",
                                 place, problem.id, first->second));
    }
    problems.push_back(std::move(problem));
    return {};
  }));
  if (problems.empty()) {
    return BadFile(fmt::format("{}: is empty, expected one problem a line", file.string()));
  }
  return problems;
}

Status WriteProblems(const std::vector<Problem>& problems, const std::filesystem::path& file) {
  std::string text;
  for (const Problem& problem : problems) text += WriteJson(ProblemJson(problem)) + "\n";
  return WriteFileAtomic(file, text);
}

int WorkedSteps(const Problem& problem) {
  int steps = 0;
  std::size_t begin = 0;
  const std::string& text = problem.solution;
  while (begin < text.size()) {
    std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    if (line.rfind("####", 0) == 0) break;
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) ++steps;
    begin = end + 1;
  }
  return steps;
}

int LevelBySteps(int steps) { return steps <= 2 ? 1 : steps <= 4 ? 2 : 3; }

}  // namespace pawl
