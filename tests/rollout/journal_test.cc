// What a journal holds is not generated again, and nothing else changes.
#include "rollout/journal.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/sha256.h"
#include "rollout/toy.h"
#include "support/fault_files.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;
using Results = std::vector<std::vector<Completion>>;

class JournalTest : public testing::Test {
 protected:
  JournalTest() {
    fs::remove_all(file_);
    sampling_.seed = 5;
    sampling_.max_new_tokens = 12;
    sampling_.stop_ids = {3, 11, 40};
    for (std::size_t i = 0; i < 5; ++i) {
      requests_.push_back({RandomIds(toy_.model.config, 4 + i, i), i, 3, 0});
    }
  }
  ~JournalTest() override { fs::remove_all(file_); }

  CompletionJournal Open(const std::string& scope = "base") {
    auto journal = CompletionJournal::Open(file_, scope);
    EXPECT_TRUE(journal.has_value()) << (journal ? "" : journal.error().message);
    return std::move(*journal);
  }
  Results Make(CompletionJournal* journal, GenerationStats* stats = nullptr,
               GenerationOptions options = {}) {
    options.max_batch = 4;
    if (journal != nullptr) options.journal = {journal, "weights"};
    auto results = Generate(toy_.policy(), toy_.compute, requests_, sampling_, options, stats);
    EXPECT_TRUE(results.has_value()) << (results ? "" : results.error().message);
    return std::move(*results);
  }
  static void ExpectSame(const Results& a, const Results& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t r = 0; r < a.size(); ++r) {
      ASSERT_EQ(a[r].size(), b[r].size());
      for (std::size_t g = 0; g < a[r].size(); ++g) {
        EXPECT_EQ(a[r][g].ids, b[r][g].ids);
        EXPECT_EQ(a[r][g].log_probs, b[r][g].log_probs);
        EXPECT_EQ(a[r][g].finish_reason, b[r][g].finish_reason);
      }
    }
  }
  std::string Text() const { return ReadFile(file_).value_or(""); }
  void Write(const std::string& text) const { std::ofstream(file_, std::ios::binary) << text; }

  fs::path file_ = fs::temp_directory_path() / "pawl-journal-test.jsonl";
  ToyPolicy toy_;
  SamplingConfig sampling_;
  std::vector<GenerationRequest> requests_;
};

TEST_F(JournalTest, AnInterruptedGenerationGoesOnWithWhatIsDone) {
  const Results plain = Make(nullptr);
  {
    CompletionJournal journal = Open();
    int steps = 0;
    GenerationOptions options;
    options.cancelled = [&] { return ++steps > 25; };
    Make(&journal, nullptr, std::move(options));
  }
  CompletionJournal journal = Open();
  std::vector<std::size_t> order;
  GenerationOptions options;
  options.done = [&](std::size_t request, std::span<const Completion>) {
    order.push_back(request);
  };
  GenerationStats stats;
  const Results results = Make(&journal, &stats, std::move(options));
  ExpectSame(results, plain);
  EXPECT_EQ(order, (std::vector<std::size_t>{0, 1, 2, 3, 4}));
  EXPECT_GT(journal.found(), 0u);
  EXPECT_LT(journal.found(), 5u);
  std::size_t tokens = 0;
  for (const auto& group : plain) {
    for (const Completion& one : group) tokens += one.ids.size();
  }
  EXPECT_GT(stats.recalled_tokens, 0u);
  EXPECT_EQ(stats.recalled_tokens + stats.new_tokens, tokens);
}

TEST_F(JournalTest, AnswersOnlyForTheSamePolicyPromptAddressSettingsAndScope) {
  {
    CompletionJournal journal = Open();
    Make(&journal);
  }
  CompletionJournal journal = Open();
  const auto found = [&](const char* policy, const GenerationRequest& request,
                         const SamplingConfig& config) {
    return journal.Find(journal.Key(policy, request, config)) != nullptr;
  };
  EXPECT_TRUE(found("weights", requests_[0], sampling_));
  EXPECT_FALSE(found("other", requests_[0], sampling_));
  GenerationRequest request = requests_[0];
  request.prompt.back() ^= 1;
  EXPECT_FALSE(found("weights", request, sampling_));
  request = requests_[0];
  request.index += 1;
  EXPECT_FALSE(found("weights", request, sampling_));
  request = requests_[0];
  request.num_generations += 1;
  EXPECT_FALSE(found("weights", request, sampling_));
  const auto changed = [&](auto&& change) {
    SamplingConfig config = sampling_;
    change(config);
    return found("weights", requests_[0], config);
  };
  EXPECT_FALSE(changed([](SamplingConfig& c) { c.temperature = 0.5; }));
  EXPECT_FALSE(changed([](SamplingConfig& c) { c.greedy = true; }));
  EXPECT_FALSE(changed([](SamplingConfig& c) { c.seed += 1; }));
  EXPECT_FALSE(changed([](SamplingConfig& c) { c.max_new_tokens += 1; }));
  EXPECT_FALSE(changed([](SamplingConfig& c) { c.stop_ids = {3}; }));
  EXPECT_FALSE(changed([](SamplingConfig& c) { c.record_temperature = 0.5; }));
  CompletionJournal other = Open("another base");
  EXPECT_EQ(other.Find(other.Key("weights", requests_[0], sampling_)), nullptr);
}

// Whatever became of the file's end, a valid prefix is used and the rest cut off.
TEST_F(JournalTest, ATornOrDamagedEndIsCutOff) {
  const Results plain = Make(nullptr);
  {
    CompletionJournal journal = Open();
    Make(&journal);
  }
  const std::string whole = Text();
  const std::size_t last = whole.rfind('\n', whole.size() - 2) + 1;  // begin of the last line
  for (const std::size_t length : {whole.size() - 1, last + 30, last + 5, last}) {
    Write(whole.substr(0, length));
    CompletionJournal journal = Open();
    EXPECT_EQ(Text(), whole.substr(0, last)) << length;
    ExpectSame(Make(&journal), plain);
    EXPECT_EQ(journal.found(), 4u);
  }
  for (std::size_t at = 0; at < whole.size(); at += 97) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 4);
    Write(flipped);
    CompletionJournal journal = Open();
    EXPECT_TRUE(whole.starts_with(Text()));
    EXPECT_LE(Text().size(), at);
    ExpectSame(Make(&journal), plain);
  }
}

// A line of another version may have a right checksum.
TEST_F(JournalTest, LinesWithOtherFieldsAreCutOff) {
  for (
      const char* body :
      {"{}", "[]", R"({"key":1,"completions":[]})", R"({"key":"a","completions":{}})",
       R"({"key":"a","completions":[{"ids":[1]}]})",
       R"({"key":"a","completions":[{"ids":[1],"log_prob_bits":[],"stop":true,"seconds":0}]})",
       R"({"key":"a","completions":[{"ids":["1"],"log_prob_bits":[1],"stop":true,"seconds":0}]})"}) {
    Write(Sha256Hex(body).substr(0, 16) + " " + body + "\n");
    const CompletionJournal journal = Open();
    EXPECT_EQ(Text(), "") << body;
  }
}

// A full disk ends the generation with its error; what the journal holds then is still right.
TEST_F(JournalTest, AnAppendThatFailsIsAnErrorAndLosesNothing) {
  const Results plain = Make(nullptr);
  int failures = 0;
  for (int fail_at = 1; fail_at < 20; ++fail_at) {
    fs::remove_all(file_);
    CompletionJournal journal = Open();
    {
      FaultFiles faults(fail_at, ENOSPC, true);
      const FileSystemOverride override(faults);
      GenerationOptions options;
      options.max_batch = 4;
      options.journal = {&journal, "weights"};
      const auto results = Generate(toy_.policy(), toy_.compute, requests_, sampling_, options);
      if (!faults.failed()) break;
      ASSERT_FALSE(results.has_value()) << fail_at;
      EXPECT_EQ(results.error().code, ErrorCode::kResources);
      ++failures;
    }
    CompletionJournal again = Open();
    ExpectSame(Make(&again), plain);
  }
  EXPECT_GE(failures, 5);  // five requests, and at least one sync
}

TEST_F(JournalTest, ClearForgetsEverything) {
  {
    CompletionJournal journal = Open();
    Make(&journal);
    EXPECT_FALSE(Text().empty());
    EXPECT_TRUE(journal.Clear().has_value());
    EXPECT_TRUE(Text().empty());
    Make(&journal);
  }
  CompletionJournal journal = Open();
  Make(&journal);
  EXPECT_EQ(journal.found(), 5u);
  EXPECT_TRUE(journal.Clear().has_value());
  Make(&journal);
  EXPECT_EQ(journal.found(), 5u);
}

}  // namespace
}  // namespace pawl
