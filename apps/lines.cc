#include "apps/lines.h"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iostream>

#include "base/file.h"

namespace pawl {
namespace {

// Calls line(text, number) for each line as it arrives.
Status EachLine(const std::string& input,
                const std::function<Status(const std::string&, std::size_t)>& line) {
  std::ifstream file;
  if (!input.empty() && input != "-") {
    file.open(input, std::ios::binary);
    if (!file) return Usage(fmt::format("{}: cannot be opened", input));
  }
  std::istream& stream = file.is_open() ? file : std::cin;
  std::string text;
  for (std::size_t number = 0; std::getline(stream, text); ++number) {
    if (!text.empty() && text.back() == '\r') text.pop_back();
    PAWL_TRY(line(text, number));
  }
  return {};
}

}  // namespace

Status PrintLine(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
      std::fputc('\n', stdout) == EOF || std::fflush(stdout) != 0) {
    return Fail(ErrorCode::kResources, "standard output: cannot be written");
  }
  return {};
}

Status AnswerLines(const std::string& input, const LineAnswer& answer) {
  return EachLine(input, [&](const std::string& text, std::size_t number) -> Status {
    const Result<Json> line = ParseJson(text, fmt::format("line {}", number));
    Result<Json> out = line ? answer(*line, text) : line;
    if (!out) out = Json{{"error", out.error().message}};
    return PrintLine(WriteJson(*out));
  });
}

Result<std::vector<Json>> ReadJsonLines(const std::string& input) {
  std::vector<Json> lines;
  const std::string name = input.empty() ? "standard input" : input;
  PAWL_TRY(EachLine(input, [&](const std::string& text, std::size_t number) -> Status {
    PAWL_ASSIGN(Json line, ParseJson(text, fmt::format("{}: line {}", name, number)));
    lines.push_back(std::move(line));
    return {};
  }));
  return lines;
}

Result<std::vector<std::int32_t>> IdsField(const Json& line, std::size_t vocab_size) {
  if (!line.is_object() || !line.contains("ids") || !line.at("ids").is_array()) {
    return BadFile("\"ids\" is missing, expected a list of token ids");
  }
  std::vector<std::int32_t> ids;
  for (const Json& id : line.at("ids")) {
    if (!id.is_number_integer() || id.get<long long>() < 0 ||
        id.get<unsigned long long>() >= vocab_size) {
      return BadFile(fmt::format("\"ids\"[{}] is {}, expected an integer from 0 to {}", ids.size(),
                                 WriteJson(id), vocab_size - 1));
    }
    ids.push_back(id.get<std::int32_t>());
  }
  return ids;
}

}  // namespace pawl
