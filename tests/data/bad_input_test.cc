// Damaged problem files: every mistake is an error that names file, line and what was expected.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "data/problem_file.h"

namespace pawl {
namespace {

class TempFile {
 public:
  explicit TempFile(const std::string& text)
      : path_(std::filesystem::temp_directory_path() / "pawl-bad-input.jsonl") {
    std::ofstream(path_, std::ios::binary) << text;
  }
  ~TempFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

constexpr const char* kGood = "{\"question\":\"a\",\"answer\":\"1\"}\n";

struct Mistake {
  const char* name;
  std::string line;
  const char* told;
};

TEST(ProblemFiles, TellEveryMistakeWithItsLineCountedFromZero) {
  const std::vector<Mistake> mistakes = {
      {"cut line", "{\"question\":\"a\"", "not valid JSON"},
      {"not an object", "[1,2]", "not a JSON object"},
      {"no question", "{\"answer\":\"1\"}", "\"question\" is missing"},
      {"question of another type", "{\"question\":5,\"answer\":\"1\"}", "\"question\" is number"},
      {"no answer", "{\"question\":\"b\"}", "\"answer\" is missing"},
      {"number as answer", "{\"question\":\"b\",\"answer\":18}", "\"answer\" is number"},
      {"empty answer", "{\"question\":\"b\",\"answer\":\" \"}", "\"answer\" is empty"},
      {"nothing after the mark", "{\"question\":\"b\",\"answer\":\"1+1\\n#### \"}", "is empty"},
      {"number as id", "{\"id\":3,\"question\":\"b\",\"answer\":\"1\"}", "\"id\" is number"},
      {"empty id", "{\"id\":\"\",\"question\":\"b\",\"answer\":\"1\"}", "\"id\" is empty"},
      {"level as text", "{\"question\":\"b\",\"answer\":\"1\",\"level\":\"2\"}", "\"level\""},
      {"level too large", "{\"question\":\"b\",\"answer\":\"1\",\"level\":99999}", "0 to 1000"},
      {"solution of another type", "{\"question\":\"b\",\"answer\":\"1\",\"solution\":[]}",
       "\"solution\""},
      {"messages as text", "{\"messages\":\"b\",\"answer\":\"1\"}", "\"messages\" must be a list"},
      {"no messages", "{\"messages\":[],\"answer\":\"1\"}", "\"messages\" must be a list"},
      {"message without role", "{\"messages\":[{\"content\":\"b\"}],\"answer\":\"1\"}", "\"role\""},
      {"message of another type", "{\"messages\":[7],\"answer\":\"1\"}", "\"role\""},
      {"key twice", "{\"question\":\"b\",\"question\":\"c\",\"answer\":\"1\"}", "occurs twice"},
      {"invalid UTF-8", "{\"question\":\"b\xff\",\"answer\":\"1\"}", "not valid JSON"},
      {"surrogate alone", "{\"question\":\"\\ud800\",\"answer\":\"1\"}", "not valid JSON"},
      {"too deep", "{\"question\":" + std::string(100, '[') + std::string(100, ']') + "}",
       "nested deeper"},
  };
  for (const Mistake& mistake : mistakes) {
    const TempFile file(kGood + mistake.line + "\n");
    const auto result = ReadProblems(file.path());
    ASSERT_FALSE(result.has_value()) << mistake.name;
    EXPECT_EQ(result.error().code, ErrorCode::kBadFile) << mistake.name;
    EXPECT_NE(result.error().message.find("line 1"), std::string::npos) << result.error().message;
    EXPECT_NE(result.error().message.find(file.path().string()), std::string::npos);
    EXPECT_NE(result.error().message.find(mistake.told), std::string::npos)
        << mistake.name << ": " << result.error().message;
  }
}

TEST(ProblemFiles, RefuseAnIdThatOccursTwiceAndNameBothLines) {
  const TempFile file(
      "{\"id\":\"x\",\"question\":\"a\",\"answer\":\"1\"}\n"
      "{\"id\":\"y\",\"question\":\"b\",\"answer\":\"1\"}\n"
      "{\"id\":\"x\",\"question\":\"c\",\"answer\":\"1\"}\n");
  const auto result = ReadProblems(file.path());
  ASSERT_FALSE(result.has_value());
  EXPECT_NE(result.error().message.find("line 2"), std::string::npos);
  EXPECT_NE(result.error().message.find("by line 0"), std::string::npos);
}

TEST(ProblemFiles, RefuseFilesWithoutProblemsAndFolders) {
  for (const char* text : {"", "\n\n", "  \r\n"}) {
    const TempFile file(text);
    const auto result = ReadProblems(file.path());
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, ErrorCode::kBadFile);
    EXPECT_NE(result.error().message.find("is empty"), std::string::npos);
  }
  const auto folder = ReadProblems(std::filesystem::temp_directory_path());
  ASSERT_FALSE(folder.has_value());
  EXPECT_EQ(folder.error().code, ErrorCode::kBadFile);
  const auto missing = ReadProblems("/no/such/file.jsonl");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::kUsage);
}

TEST(ProblemFiles, CountEmptyLinesButSkipThem) {
  const TempFile file(std::string(kGood) + "\r\n\n{\"question\":\"b\",\"answer\":\"2\"}\r\n\n");
  const auto problems = ReadProblems(file.path());
  ASSERT_TRUE(problems.has_value());
  ASSERT_EQ(problems->size(), 2u);
  EXPECT_EQ((*problems)[0].id, "pawl-bad-input-0");
  EXPECT_EQ((*problems)[1].id, "pawl-bad-input-3");
}

TEST(ProblemFiles, SplitTheAnswerAtItsLastMark) {
  const TempFile file(
      "{\"question\":\"q\",\"answer\":\"say #### twice\\n\\n2+2=4\\n####  1,234 \\n\"}\n");
  const auto problems = ReadProblems(file.path());
  ASSERT_TRUE(problems.has_value());
  EXPECT_EQ((*problems)[0].answer, "1,234");
  EXPECT_EQ((*problems)[0].solution, "say #### twice\n\n2+2=4");
  EXPECT_EQ(WorkedSteps((*problems)[0]), 2);
}

TEST(ProblemFiles, ReportAFolderThatCannotBeWritten) {
  Problem problem;
  problem.id = "a";
  EXPECT_FALSE(WriteProblems({problem}, "/no/such/folder/out.jsonl").has_value());
}

}  // namespace
}  // namespace pawl
