#include "data/check.h"

#include <cctype>
#include <map>

namespace pawl {

std::string NormalisedText(const Problem& problem) {
  std::string text = problem.question;
  for (const ChatMessage& message : problem.messages) text += " " + message.content;
  std::string out;
  bool space = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) == 0 && byte < 0x80) {
      space = true;
      continue;
    }
    if (space && !out.empty()) out += ' ';
    out += static_cast<char>(std::tolower(byte));
    space = false;
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
