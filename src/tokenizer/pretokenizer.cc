#include "tokenizer/pretokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "tokenizer/regex.h"
#include "tokenizer/splitter.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace pawl {

enum class StepKind : std::uint8_t { kKnown, kRegex, kString, kDigits, kPrefixSpace };

struct PreTokenizer::Step {
  StepKind kind = StepKind::kKnown;
  KnownPattern known = KnownPattern::kGpt2;
  std::optional<Regex> regex;
  std::string literal;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;
};

namespace {

using Step = PreTokenizer::Step;

struct Match {
  Span span;
  bool is_match;
};

// Adds the matches [begin, end) given in order, and the gaps between them.
class MatchList {
 public:
  MatchList(std::size_t size, bool invert, std::vector<Match>* out)
      : size_(size), invert_(invert), out_(out) {}
  void Add(std::size_t begin, std::size_t end) {
    if (begin != last_) out_->push_back({{last_, begin}, invert_});
    out_->push_back({{begin, end}, !invert_});
    last_ = end;
  }
  void Finish() {
    if (last_ != size_) out_->push_back({{last_, size_}, invert_});
  }

 private:
  std::size_t size_, last_ = 0;
  bool invert_;
  std::vector<Match>* out_;
};

Status FindMatches(const Step& step, std::string_view text, std::vector<Match>* matches) {
  MatchList list(text.size(), step.invert, matches);
  if (step.kind == StepKind::kRegex) {
    PAWL_TRY(step.regex->ForEachMatch(
        text, [&](std::size_t begin, std::size_t end) { list.Add(begin, end); }));
  } else if (step.kind == StepKind::kString) {
    for (std::size_t pos = 0; (pos = text.find(step.literal, pos)) != std::string_view::npos;) {
      list.Add(pos, pos + step.literal.size());
      pos += step.literal.size();
    }
  } else {
    for (std::size_t pos = 0; pos < text.size();) {
      const std::size_t begin = pos;
      if (ClassOf(DecodeUtf8(text, &pos)) == CharClass::kNumber) list.Add(begin, pos);
    }
  }
  list.Finish();
  return {};
}

std::vector<Span> MergeWithPrevious(const std::vector<Match>& matches) {
  std::vector<Span> spans;
  bool previous_match = false;
  for (const Match& match : matches) {
    if (match.is_match && !previous_match && !spans.empty()) {
      spans.back().end = match.span.end;
    } else {
      spans.push_back(match.span);
    }
    previous_match = match.is_match;
  }
  return spans;
}

std::vector<Span> MergeWithNext(const std::vector<Match>& matches) {
  std::vector<Span> spans;
  bool previous_match = false;
  for (auto match = matches.rbegin(); match != matches.rend(); ++match) {
    if (match->is_match && !previous_match && !spans.empty()) {
      spans.back().begin = match->span.begin;
    } else {
      spans.push_back(match->span);
    }
    previous_match = match->is_match;
  }
  std::reverse(spans.begin(), spans.end());
  return spans;
}

std::vector<Span> ApplyBehavior(SplitBehavior behavior, const std::vector<Match>& matches) {
  std::vector<Span> spans;
  switch (behavior) {
    case SplitBehavior::kMergedWithPrevious:
      return MergeWithPrevious(matches);
    case SplitBehavior::kMergedWithNext:
      return MergeWithNext(matches);
    case SplitBehavior::kRemoved:
      for (const Match& match : matches) {
        if (!match.is_match) spans.push_back(match.span);
      }
      return spans;
    case SplitBehavior::kIsolated:
      for (const Match& match : matches) spans.push_back(match.span);
      return spans;
    case SplitBehavior::kContiguous:
      break;
  }
  bool previous = false;
  for (const Match& match : matches) {
    if (!spans.empty() && previous == match.is_match) {
      spans.back().end = match.span.end;
    } else {
      spans.push_back(match.span);
    }
    previous = match.is_match;
  }
  return spans;
}

void PrefixSpaces(std::string* text, std::vector<Span>* spans) {
  std::string prefixed;
  prefixed.reserve(text->size() + spans->size());
  for (Span& span : *spans) {
    const std::size_t begin = prefixed.size();
    if ((*text)[span.begin] != ' ') prefixed.push_back(' ');
    prefixed.append(*text, span.begin, span.size());
    span = {begin, prefixed.size()};
  }
  *text = std::move(prefixed);
}

Result<SplitBehavior> ReadBehavior(const Json& node, const std::string& place) {
  PAWL_ASSIGN(const std::string name, JsonString(node, "behavior", place));
  constexpr std::pair<const char*, SplitBehavior> kNames[] = {
      {"Removed", SplitBehavior::kRemoved},
      {"Isolated", SplitBehavior::kIsolated},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous}};
  for (const auto& [known, behavior] : kNames) {
    if (name == known) return behavior;
  }
  return BadFile(
      fmt::format("{}: behavior \"{}\", expected Removed, Isolated, "
                  "MergedWithPrevious, MergedWithNext or Contiguous",
                  place, name));
}

Result<bool> ReadFlag(const Json& node, const char* key, bool missing, const std::string& place) {
  if (!node.contains(key)) return missing;
  return JsonBool(node, key, place);
}

Status ReadSplit(const Json& node, const std::string& place, std::vector<Step>* steps) {
  Step step;
  PAWL_ASSIGN(step.behavior, ReadBehavior(node, place));
  PAWL_ASSIGN(step.invert, ReadFlag(node, "invert", false, place));
  if (!node.contains("pattern") || !node["pattern"].is_object()) {
    return BadFile(place +
                   ": \"pattern\" is missing, expected {\"Regex\": ...} or {\"String\": ...}");
  }
  const Json& pattern = node["pattern"];
  if (pattern.contains("String")) {
    step.kind = StepKind::kString;
    PAWL_ASSIGN(step.literal, JsonString(pattern, "String", place + ".pattern"));
    if (step.literal.empty()) return BadFile(place + ".pattern: the string is empty");
  } else {
    PAWL_ASSIGN(const std::string text, JsonString(pattern, "Regex", place + ".pattern"));
    const auto known = RecogniseRegex(text);
    if (known && !step.invert && step.behavior == SplitBehavior::kIsolated) {
      step.known = *known;
    } else {
      step.kind = StepKind::kRegex;
      PAWL_ASSIGN(step.regex, Regex::Compile(text, place + ".pattern.Regex"));
    }
  }
  steps->push_back(std::move(step));
  return {};
}

// Appends the steps of one node; *levels counts ByteLevel nodes.
Status ReadNode(const Json& node, const std::string& place, int depth, int* levels,
                std::vector<Step>* steps) {
  if (*levels > 0) {
    return BadFile(place + ": stands behind ByteLevel, expected ByteLevel to be the last");
  }
  if (depth > 8) return BadFile(place + ": nested deeper than 8 levels");
  PAWL_ASSIGN(const std::string type, JsonString(node, "type", place));
  if (type == "Sequence") {
    if (!node.contains("pretokenizers") || !node["pretokenizers"].is_array()) {
      return BadFile(place + ": \"pretokenizers\" is missing, expected a list");
    }
    std::size_t index = 0;
    for (const Json& child : node["pretokenizers"]) {
      PAWL_TRY(ReadNode(child, fmt::format("{}.pretokenizers[{}]", place, index++), depth + 1,
                        levels, steps));
    }
    return {};
  }
  if (type == "Split") return ReadSplit(node, place, steps);
  if (type == "Digits") {
    Step step;
    step.kind = StepKind::kDigits;
    PAWL_ASSIGN(const bool individual, ReadFlag(node, "individual_digits", false, place));
    step.behavior = individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous;
    steps->push_back(std::move(step));
    return {};
  }
  if (type == "ByteLevel") {
    ++*levels;
    PAWL_ASSIGN(const bool prefix, ReadFlag(node, "add_prefix_space", true, place));
    PAWL_ASSIGN(const bool use_regex, ReadFlag(node, "use_regex", true, place));
    if (prefix) {
      steps->emplace_back();
      steps->back().kind = StepKind::kPrefixSpace;
    }
    if (use_regex) steps->emplace_back();  // the GPT-2 pattern
    return {};
  }
  return BadFile(
      fmt::format("{}: pre-tokenizer \"{}\" is not supported, expected Sequence, Split, "
                  "Digits or ByteLevel",
                  place, type));
}

}  // namespace

PreTokenizer::PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

Result<PreTokenizer> PreTokenizer::FromJson(const Json& node, const std::string& place) {
  PreTokenizer result;
  int levels = 0;
  if (!node.is_null()) PAWL_TRY(ReadNode(node, place, 0, &levels, &result.steps_));
  if (levels == 0) {
    return BadFile(place +
                   ": no ByteLevel, expected a byte-level tokenizer; other kinds are not "
                   "supported");
  }
  return result;
}

Status PreTokenizer::Split(std::string* text, std::vector<Span>* spans) const {
  spans->clear();
  if (text->empty()) return {};
  spans->push_back({0, text->size()});
  std::vector<Span> next;
  std::vector<std::size_t> ends;
  std::vector<Match> matches;
  for (const Step& step : steps_) {
    if (step.kind == StepKind::kPrefixSpace) {
      PrefixSpaces(text, spans);
      continue;
    }
    next.clear();
    for (const Span& span : *spans) {
      const std::string_view piece = std::string_view(*text).substr(span.begin, span.size());
      if (step.kind == StepKind::kKnown) {
        ends.clear();
        SplitKnown(step.known, piece, &ends);
        std::size_t begin = 0;
        for (const std::size_t end : ends) {
          next.push_back({span.begin + begin, span.begin + end});
          begin = end;
        }
        continue;
      }
      matches.clear();
      PAWL_TRY(FindMatches(step, piece, &matches));
      for (const Span& part : ApplyBehavior(step.behavior, matches)) {
        if (part.size() > 0) next.push_back({span.begin + part.begin, span.begin + part.end});
      }
    }
    spans->swap(next);
  }
  return {};
}

}  // namespace pawl
