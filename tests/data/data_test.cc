// The generator's splits and styles, problem files and leakage.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "data/check.h"
#include "data/generator.h"
#include "data/problem_file.h"
#include "support/shared_data.h"

namespace pawl {
namespace {

std::filesystem::path WriteTemp(const std::string& name, const std::string& text) {
  const auto path = std::filesystem::temp_directory_path() / ("pawl-data-test-" + name);
  std::ofstream(path) << text;
  return path;
}

TEST(Generator, IsAPureFunctionOfSeedLevelSplitAndIndex) {
  for (int level = 1; level <= 3; ++level) {
    const WordProblem a = MakeWordProblem(5, level, Split::kTrain, 17);
    const WordProblem b = MakeWordProblem(5, level, Split::kTrain, 17);
    EXPECT_EQ(a.question, b.question);
    EXPECT_NE(a.question, MakeWordProblem(6, level, Split::kTrain, 17).question);
  }
}

TEST(Generator, KeepsSplitsDisjointInTemplatesAndNumbers) {
  for (int level = 1; level <= 3; ++level) {
    for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest}) {
      for (std::uint64_t index = 0; index < 100; ++index) {
        EXPECT_EQ(SplitOfKey(MakeWordProblem(1, level, split, index).key), split);
      }
    }
  }
}

TEST(Generator, FollowsTheRulesOfEachLevel) {
  const int low[] = {1, 2, 4}, high[] = {1, 3, 6}, cap[] = {80, 120, 300};
  for (int level = 1; level <= 3; ++level) {
    const auto i = static_cast<std::size_t>(level - 1);
    for (std::uint64_t index = 0; index < 300; ++index) {
      const WordProblem p = MakeWordProblem(2, level, Split::kTrain, index);
      EXPECT_GE(static_cast<int>(p.equations.size()), low[i]);
      EXPECT_LE(static_cast<int>(p.equations.size()), high[i]);
      EXPECT_EQ(p.equations.back().result, p.answer);
      for (const Equation& e : p.equations) {
        EXPECT_GT(e.result, 0);
        EXPECT_LE(e.result, cap[i]);
        const int value = e.op == '+'   ? e.left + e.right
                          : e.op == '-' ? e.left - e.right
                          : e.op == '*' ? e.left * e.right
                                        : e.left / e.right;
        EXPECT_EQ(value, e.result);
        if (e.op == '/') {
          EXPECT_EQ(e.left % e.right, 0);
        }
      }
    }
  }
}

TEST(Generator, WritesEachStyleAsPromised) {
  for (std::uint64_t index = 0; index < 200; ++index) {
    const WordProblem p = MakeWordProblem(3, 2, Split::kTrain, index);
    RandomStream random({3, RandomPurpose::kTest, index, 0});
    const std::string marker = "#### " + std::to_string(p.answer);
    EXPECT_TRUE(RenderSolution(p, SolutionStyle::kWorked, random).ends_with(marker));
    EXPECT_EQ(RenderSolution(p, SolutionStyle::kAnswerOnly, random), marker);
    const std::string plain = RenderSolution(p, SolutionStyle::kNoMarker, random);
    EXPECT_EQ(plain.find("####"), std::string::npos);
    EXPECT_TRUE(plain.ends_with("The answer is " + std::to_string(p.answer) + "."));
  }
}

// Works out "a op b" of a line "a op b=c"; false where it is not c.
bool IsRight(const std::string& line) {
  const std::size_t op = line.find_first_of("+-*/", 1), equal = line.find('=');
  const int a = std::stoi(line.substr(0, op)), b = std::stoi(line.substr(op + 1, equal - op - 1));
  const int c = std::stoi(line.substr(equal + 1));
  switch (line[op]) {
    case '+':
      return a + b == c;
    case '-':
      return a - b == c;
    case '*':
      return a * b == c;
    default:
      return b != 0 && a % b == 0 && a / b == c;
  }
}

TEST(Generator, GivesSloppySolutionsRightArithmeticAndAWrongAnswer) {
  for (int level = 1; level <= 3; ++level) {
    for (std::uint64_t index = 0; index < 5'000; ++index) {
      const WordProblem p = MakeWordProblem(4, level, Split::kTrain, index);
      RandomStream random({4, RandomPurpose::kTest, index, 0});
      std::istringstream lines(RenderSolution(p, SolutionStyle::kSloppy, random));
      std::string line, last;
      while (std::getline(lines, line) && !line.starts_with("####")) {
        EXPECT_TRUE(IsRight(line)) << line;
        last = line.substr(line.find('=') + 1);
      }
      EXPECT_EQ(line, "#### " + last);
      EXPECT_NE(last, std::to_string(p.answer)) << p.question;
    }
  }
  // 2+2 and 2*2, 48-24 after 4*6: where the usual mistake gives the right number.
  WordProblem p;
  for (const std::vector<Equation>& equations :
       {std::vector<Equation>{{2, '+', 2, 4}}, std::vector<Equation>{{2, '*', 2, 4}},
        std::vector<Equation>{{4, '*', 6, 24}, {48, '-', 24, 24}}}) {
    p.equations = equations;
    p.answer = equations.back().result;
    for (std::uint64_t i = 0; i < 20; ++i) {
      RandomStream random({4, RandomPurpose::kTest, i, 1});
      const std::string text = RenderSolution(p, SolutionStyle::kSloppy, random);
      EXPECT_FALSE(text.ends_with("#### " + std::to_string(p.answer))) << text;
    }
  }
}

TEST(Generator, BeginsALongerListWithTheShorterOne) {
  const auto few = GenerateProblems(2, 20, 7, Split::kValidation);
  const auto many = GenerateProblems(2, 60, 7, Split::kValidation);
  ASSERT_TRUE(few && many);
  for (std::size_t i = 0; i < few->size(); ++i) {
    EXPECT_EQ((*few)[i].id, (*many)[i].id);
    EXPECT_EQ((*few)[i].question, (*many)[i].question);
  }
  EXPECT_EQ((*few)[0].id, "intermediate-validation-7-0");
}

// "1 apples" or "7 apple" would teach wrong English.
TEST(Generator, AgreesNumbersWithTheirNouns) {
  for (int level = 1; level <= 3; ++level) {
    for (std::uint64_t index = 0; index < 2'000; ++index) {
      const std::string text = MakeWordProblem(6, level, Split::kTrain, index).question;
      for (std::size_t at = text.find(" 1 "); at != text.npos; at = text.find(" 1 ", at + 1)) {
        const std::size_t begin = at + 3, end = text.find_first_of(" .?", begin);
        const std::string word = text.substr(begin, end - begin);
        EXPECT_TRUE(word == "a" || word == "more" || word == "fewer" || !word.ends_with('s'))
            << text;
      }
    }
  }
}

TEST(Generator, GivesDistinctProblemsAndRefusesUnknownLevels) {
  const auto problems = GenerateProblems(1, 500, 1, Split::kTest);
  ASSERT_TRUE(problems.has_value());
  std::set<std::string> questions, ids;
  for (const Problem& p : *problems) {
    questions.insert(p.question);
    ids.insert(p.id);
  }
  EXPECT_EQ(questions.size(), 500u);
  EXPECT_EQ(ids.size(), 500u);
  EXPECT_EQ(GenerateProblems(4, 1, 1, Split::kTrain).error().code, ErrorCode::kUsage);
  EXPECT_EQ(GenerateProblems(0, 1, 1, Split::kTrain).error().code, ErrorCode::kUsage);
  EXPECT_EQ(GenerateProblems(1, 3'000'000, 1, Split::kTest).error().code, ErrorCode::kUsage);
}

TEST(Drills, HoldEightRightEquations) {
  RandomStream random({1, RandomPurpose::kTest, 9, 0});
  const std::string text = RenderDrill(2, random);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 8);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_TRUE(IsRight(line)) << line;
}

TEST(ProblemFiles, ReadBothFormsAndWriteThemBack) {
  const auto path = WriteTemp("both.jsonl",
                              "{\"question\":\"q1\",\"answer\":\"a\\nb\\n\\n#### 18\"}\n"
                              "{\"id\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
                              "\"answer\":\"7\",\"level\":2}\n");
  const auto problems = ReadProblems(path);
  ASSERT_TRUE(problems.has_value());
  EXPECT_EQ((*problems)[0].answer, "18");
  EXPECT_EQ(WorkedSteps((*problems)[0]), 2);
  EXPECT_EQ((*problems)[1].messages[0].content, "hi");
  EXPECT_EQ((*problems)[1].level, 2);
  const auto copy = WriteTemp("copy.jsonl", "");
  ASSERT_TRUE(WriteProblems(*problems, copy).has_value());
  EXPECT_EQ((*ReadProblems(copy))[1].id, "x");
}

TEST(ProblemFiles, NameFileAndLineOfEveryMistake) {
  const auto message = [](const std::string& name, const std::string& text) {
    const auto result = ReadProblems(WriteTemp(name, text));
    EXPECT_FALSE(result.has_value()) << name;
    return result ? std::string() : result.error().message;
  };
  EXPECT_NE(message("empty.jsonl", "").find("is empty"), std::string::npos);
  EXPECT_NE(message("json.jsonl", "{\"question\":\"a\",\"answer\":\"1\"}\n{\"q\n").find("line 1"),
            std::string::npos);
  EXPECT_NE(message("missing.jsonl", "{\"question\":\"a\"}\n").find("\"answer\""),
            std::string::npos);
  EXPECT_NE(message("twice.jsonl",
                    "{\"id\":\"a\",\"question\":\"a\",\"answer\":\"1\"}\n{\"id\":\"a\","
                    "\"question\":\"b\",\"answer\":\"1\"}\n")
                .find("used before"),
            std::string::npos);
  EXPECT_EQ(ReadProblems("/no/such/file.jsonl").error().code, ErrorCode::kUsage);
}

TEST(ProblemFiles, ReadGsm8kWithStepsThatSplitIntoLevels) {
  PAWL_NEED_SHARED();
  const auto problems = ReadProblems(SharedDir() / "data/gsm8k/test.jsonl");
  ASSERT_TRUE(problems.has_value());
  EXPECT_EQ(problems->size(), 1319u);
  for (const Problem& p : *problems) {
    EXPECT_FALSE(p.answer.empty());
    EXPECT_GE(WorkedSteps(p), 1);
  }
  EXPECT_EQ(LevelBySteps(2), 1);
  EXPECT_EQ(LevelBySteps(4), 2);
  EXPECT_EQ(LevelBySteps(5), 3);
}

TEST(FindShared, SeesDuplicatesAndLeaksBehindPunctuationAndCase) {
  Problem a, b, c;
  a.id = "a";
  a.question = "Ann has 3 apples.";
  b.id = "b";
  b.question = "ann  has 3 apples";
  c.id = "c";
  c.question = "Ann has 4 apples.";
  const std::vector<Problem> train{a, b}, test{c, b};
  const auto shared = FindShared({{"train", &train}, {"test", &test}});
  ASSERT_EQ(shared.size(), 2u);
  EXPECT_EQ(shared[0].set_a, shared[0].set_b);
  EXPECT_EQ(shared[1].set_b, "test");
}

TEST(NormalisedText, KeepsNumbersAndOperatorsApart) {
  const auto normalised = [](const std::string& text) {
    Problem p;
    p.question = text;
    return NormalisedText(p);
  };
  EXPECT_EQ(normalised("What is 3 + 4?"), normalised("what is 3+4"));
  EXPECT_NE(normalised("What is 3+4?"), normalised("What is 3*4?"));
  EXPECT_NE(normalised("What is 3-4?"), normalised("What is 3+4?"));
  EXPECT_NE(normalised("It costs 1.5 dollars"), normalised("It costs 15 dollars"));
  EXPECT_NE(normalised("It costs 1.5 dollars"), normalised("It costs 1 5 dollars"));
  EXPECT_EQ(normalised("$1,000, please."), normalised("$1000 please"));
  EXPECT_EQ(normalised("a well-known 10-year-old"), normalised("A well known 10 year old!"));
  EXPECT_NE(normalised("7 apples"), normalised("8 apples"));
  EXPECT_EQ(normalised(""), "");
  EXPECT_EQ(normalised("?-"), "");
  Problem chat;
  chat.messages = {{"user", "What is"}, {"user", "3+4"}};
  EXPECT_EQ(NormalisedText(chat), normalised("what is 3 + 4"));
}

}  // namespace
}  // namespace pawl
