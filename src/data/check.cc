#include "data/check.h"

#include <cctype>
#include <map>

namespace pawl {

namespace {

bool IsDigit(const std::string& text, std::size_t i) {
  return i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])) != 0;
}

// "3 - 4" and "-4" but not "well-known".
bool IsMinus(const std::string& text, std::size_t i) {
  return text[i] == '-' && IsDigit(text, text.find_first_not_of(' ', i + 1));
}

}  // namespace

std::string NormalisedText(const Problem& problem) {
  constexpr std::string_view kOperators = "+*/=<>^%";
  std::string text = problem.question;
  for (const ChatMessage& message : problem.messages) text += " " + message.content;
  std::string out;
  bool space = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool within_number = i > 0 && IsDigit(text, i - 1) && IsDigit(text, i + 1);
    if (text[i] == ',' && within_number) continue;
    const bool sign = kOperators.find(text[i]) != kOperators.npos || IsMinus(text, i);
    const bool kept =
        sign || std::isalnum(byte) != 0 || byte >= 0x80 || (text[i] == '.' && within_number);
    if ((space || sign) && kept && !out.empty()) out += ' ';
    if (kept) out += static_cast<char>(std::tolower(byte));
    space = sign || !kept;
  }
  return out;
}

std::vector<SharedProblem> FindShared(const std::vector<NamedProblems>& sets) {
  std::map<std::string, std::pair<std::string, std::string>> seen;
  std::vector<SharedProblem> shared;
  for (const NamedProblems& set : sets) {
    for (const Problem& problem : *set.problems) {
      const auto [entry, fresh] =
          seen.emplace(NormalisedText(problem), std::pair(set.name, problem.id));
      if (!fresh)
        shared.push_back({entry->second.first, entry->second.second, set.name, problem.id});
    }
  }
  return shared;
}

}  // namespace pawl
