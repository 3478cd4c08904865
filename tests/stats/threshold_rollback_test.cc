// What gates can see.
#include <gtest/gtest.h>

#include "stats/threshold_rule.h"

namespace pawl {
namespace {

// Reference figures of the plain threshold rule (2 points) for 20 and 50 problems: base 50 %, no
// correlation (churn 0.5) and a 10-point drop.
TEST(ThresholdRollback, GivesTheExactChances) {
  EXPECT_NEAR(*ThresholdRollback(20, 2, 0.25, 0.25), 0.437, 5e-4);
  EXPECT_NEAR(*ThresholdRollback(50, 2, 0.25, 0.25), 0.382, 5e-4);
  // 50 % against 40 %: lost .5 * .6, won .5 * .4.
  EXPECT_NEAR(1 - *ThresholdRollback(20, 2, 0.30, 0.20), 0.315, 5e-4);
  EXPECT_NEAR(1 - *ThresholdRollback(50, 2, 0.30, 0.20), 0.239, 5e-4);
}

TEST(ThresholdRollback, KnowsTheEdges) {
  EXPECT_FALSE(ThresholdRollback(0, 2, 0.5, 0.5).has_value());
  EXPECT_FALSE(ThresholdRollback(10, 2, 0.6, 0.5).has_value());
  EXPECT_EQ(*ThresholdRollback(10, 0, 0, 0), 0);
  EXPECT_NEAR(*ThresholdRollback(10, 2, 1, 0), 1, 1e-12);
  // Exactly the allowed drop does not roll back.
  EXPECT_NEAR(*ThresholdRollback(1, 100, 1, 0), 0, 1e-12);
}

}  // namespace
}  // namespace pawl
