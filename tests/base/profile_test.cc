#include "base/profile.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <thread>

namespace pawl {
namespace {

void Work(int milliseconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
  while (std::chrono::steady_clock::now() < end) {
  }
}

std::map<std::string, ProfileRow> ByName(const ProfileSession& session) {
  std::map<std::string, ProfileRow> rows;
  for (const ProfileRow& row : session.Rows()) rows[row.part + " / " + row.kind] = row;
  return rows;
}

TEST(Profile, EveryMomentBelongsToTheInnermostPartAndTheOutermostKind) {
  const auto begun = std::chrono::steady_clock::now();
  ProfileSession session;
  {
    const ProfilePart forward(Part::kForward);
    for (int i = 0; i < 3; ++i) {
      const ProfileKind adapter(Kind::kAdapter);
      const ProfileKind linear(Kind::kLinear);
      Work(2);
    }
    {
      const ProfilePart head(Part::kHead);
      const ProfileKind linear(Kind::kLinear);
      Work(3);
    }
    Work(1);
  }
  const auto rows = ByName(session);
  const double total =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  EXPECT_GE(rows.at("forward / adapter").seconds, 0.006);
  EXPECT_EQ(rows.at("forward / adapter").times, 3);
  EXPECT_FALSE(rows.contains("forward / linear"));
  EXPECT_GE(rows.at("head and loss / linear").seconds, 0.003);
  EXPECT_GE(rows.at("forward / other").seconds, 0.001);
  double sum = 0;
  for (const auto& [name, row] : rows) sum += row.seconds;
  EXPECT_LE(sum, total);
  EXPECT_GE(sum, 0.01);
  session.Clear();
  EXPECT_FALSE(ByName(session).contains("forward / adapter"));
}

TEST(Profile, WithoutASessionAndOnOtherThreadsNothingIsCounted) {
  { const ProfilePart part(Part::kDecode); }
  ProfileSession session;
  std::thread([] {
    const ProfilePart part(Part::kDecode);
    Work(1);
  }).join();
  EXPECT_FALSE(ByName(session).contains("decode / other"));
}

}  // namespace
}  // namespace pawl
