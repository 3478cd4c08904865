#include "tokenizer/tokenizer_json.h"

#include <fmt/format.h>

#include <vector>

#include "base/text.h"

namespace pawl {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxKeys = 20'000;  // of one object outside model.vocab

class Handler : public nlohmann::json_sax<Json> {
 public:
  Handler(TokenizerJson* out, std::string place) : out_(out), place_(std::move(place)) {}

  const std::string& problem() const { return problem_; }

  bool null() override { return Scalar(nullptr, "null"); }
  bool boolean(bool value) override { return Scalar(value, "a boolean"); }
  bool number_integer(number_integer_t value) override { return Integer(value); }
  bool number_unsigned(number_unsigned_t value) override {
    if (mode_ != Mode::kVocab) return Scalar(value, "a number");
    if (value > static_cast<number_unsigned_t>(INT64_MAX)) {
      return Wrong(fmt::format(".model.vocab: \"{}\" has id {}, which is too large", key_, value));
    }
    return Integer(static_cast<number_integer_t>(value));
  }
  bool number_float(number_float_t value, const string_t& text) override {
    return Scalar(value, "the number " + text);
  }
  bool string(string_t& value) override {
    if (mode_ == Mode::kMerges) return LegacyMerge(value);
    if (mode_ == Mode::kMergePair) {
      pair_.push_back(std::move(value));
      return true;
    }
    return Scalar(std::move(value), "a string");
  }
  bool binary(binary_t&) override { return Wrong(": binary data is not JSON"); }

  bool start_object(std::size_t) override {
    if (mode_ == Mode::kRest && IsModelKey("vocab")) {
      mode_ = Mode::kVocab;
      out_->has_vocab = true;
      return true;
    }
    return Open(Json::object(), "an object");
  }
  bool key(string_t& value) override {
    key_ = std::move(value);
    if (mode_ == Mode::kVocab) return true;
    const Json& object = *stack_.back();
    if (object.size() >= kMaxKeys) return Wrong(": an object has too many keys");
    if (object.contains(key_) || (IsModelKey("vocab") && out_->has_vocab) ||
        (IsModelKey("merges") && out_->has_merges)) {
      return Wrong(fmt::format(": key \"{}\" occurs twice in one object", key_));
    }
    return true;
  }
  bool end_object() override {
    if (mode_ == Mode::kVocab) {
      mode_ = Mode::kRest;
      return true;
    }
    stack_.pop_back();
    return true;
  }
  bool start_array(std::size_t) override {
    if (mode_ == Mode::kMerges) {
      pair_.clear();
      mode_ = Mode::kMergePair;
      return true;
    }
    if (mode_ == Mode::kRest && IsModelKey("merges")) {
      mode_ = Mode::kMerges;
      out_->has_merges = true;
      return true;
    }
    return Open(Json::array(), "a list");
  }
  bool end_array() override {
    if (mode_ == Mode::kMergePair) {
      mode_ = Mode::kMerges;
      if (pair_.size() != 2) {
        return Wrong(
            fmt::format(".model.merges[{}]: {} parts, expected 2", merge_index_, pair_.size()));
      }
      out_->tables.merges.emplace_back(std::move(pair_[0]), std::move(pair_[1]));
      ++merge_index_;
      return true;
    }
    if (mode_ == Mode::kMerges) {
      mode_ = Mode::kRest;
      return true;
    }
    stack_.pop_back();
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Wrong(fmt::format(": not valid JSON at byte {}", position));
  }

 private:
  enum class Mode { kRest, kVocab, kMerges, kMergePair };

  bool Wrong(const std::string& what) {
    if (problem_.empty()) problem_ = place_ + what;
    return false;
  }
  // Is the value about to come that of "model"'s field `name`?
  bool IsModelKey(const char* name) const {
    return stack_.size() == 2 && in_model_ && key_ == name;
  }
  bool Misplaced(const std::string& what) {
    if (mode_ == Mode::kVocab) {
      return Wrong(fmt::format(".model.vocab: \"{}\" is {}, expected an integer id", key_, what));
    }
    return Wrong(fmt::format(".model.merges[{}]: {}, expected \"a b\" or [\"a\", \"b\"]",
                             merge_index_, what));
  }
  bool Integer(number_integer_t value) {
    if (mode_ != Mode::kVocab) return Scalar(value, "a number");
    out_->tables.vocab.emplace_back(key_, value);
    return true;
  }
  bool LegacyMerge(const std::string& text) {
    const std::size_t index = merge_index_++;
    if (text.starts_with("#version")) return true;
    const std::size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
      return Wrong(
          fmt::format(".model.merges[{}]: \"{}\", expected two parts and one space", index, text));
    }
    out_->tables.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
    return true;
  }
  Json* Place(Json value) {
    if (stack_.empty()) {
      out_->rest = std::move(value);
      return &out_->rest;
    }
    Json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    parent[key_] = std::move(value);
    return &parent[key_];
  }
  bool Scalar(Json value, const std::string& what) {
    if (mode_ != Mode::kRest) return Misplaced(what);
    Place(std::move(value));
    return true;
  }
  bool Open(Json value, const std::string& what) {
    if (mode_ != Mode::kRest) return Misplaced(what);
    if (stack_.size() >= kMaxDepth) return Wrong(": nested deeper than 64 levels");
    if (stack_.size() == 1) in_model_ = key_ == "model" && value.is_object();
    stack_.push_back(Place(std::move(value)));
    return true;
  }

  TokenizerJson* out_;
  std::string place_, problem_, key_;
  std::vector<Json*> stack_;
  std::vector<std::string> pair_;
  std::size_t merge_index_ = 0;
  Mode mode_ = Mode::kRest;
  bool in_model_ = false;
};

}  // namespace

Result<TokenizerJson> ReadTokenizerJson(std::string_view text, const std::string& place) {
  PAWL_TRY(CheckNoNul(text, place));
  TokenizerJson result;
  Handler handler(&result, place);
  if (!Json::sax_parse(text, &handler)) {
    return BadFile(handler.problem().empty() ? place + ": not valid JSON" : handler.problem());
  }
  if (!result.rest.is_object()) return BadFile(place + ": not an object, expected a tokenizer");
  return result;
}

}  // namespace pawl
