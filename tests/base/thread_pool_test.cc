// The pool runs every part exactly once, whatever its size, and leaves its caller's CPUs alone.
#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace pawl {
namespace {

TEST(ThreadRange, CoversEveryIndexOnceInOrderAtMultiplesOfTheGrain) {
  for (const std::size_t count : {0u, 1u, 7u, 16u, 100u, 4097u}) {
    for (const std::size_t grain : {1u, 3u, 16u}) {
      for (const int threads : {1, 2, 3, 8, 64}) {
        std::size_t next = 0, smallest = count, largest = 0;
        for (int t = 0; t < threads; ++t) {
          const IndexRange range = ThreadRange(count, grain, t, threads);
          EXPECT_EQ(range.begin, next);
          EXPECT_TRUE(range.begin % grain == 0 || range.begin == count);
          next = range.end;
          smallest = std::min(smallest, range.size());
          largest = std::max(largest, range.size());
        }
        EXPECT_EQ(next, count);
        EXPECT_LE(largest, smallest + 2 * grain);
      }
    }
  }
}

TEST(ThreadPool, RunsEveryThreadOnceAndReturnsWhenAllHaveFinished) {
  for (const int threads : {1, 2, 3, 8, 33}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.size(), threads);
    for (int round = 0; round < 200; ++round) {
      std::vector<int> calls(static_cast<std::size_t>(threads), 0);  // not atomic: Run is a barrier
      pool.Run([&](int thread) { ++calls[static_cast<std::size_t>(thread)]; });
      EXPECT_EQ(calls, std::vector<int>(static_cast<std::size_t>(threads), 1));
    }
  }
}

TEST(ThreadPool, WakesThreadsThatFellAsleep) {
  ThreadPool pool(4);
  std::atomic<int> calls{0};
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));  // far beyond the spin
    pool.Run([&](int thread) {
      if (thread % 2 == 1) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      ++calls;
    });
    EXPECT_EQ(calls.load(), 4 * (round + 1));
  }
}

TEST(ThreadPool, DoesEveryIndexOfAForOnceAndSmallOnesOnTheCaller) {
  ThreadPool pool(3);
  for (const std::size_t count : {0u, 1u, 5u, 1000u}) {
    std::vector<int> done(count, 0);
    pool.For(count, 10, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) ++done[i];
    });
    EXPECT_EQ(done, std::vector<int>(count, 1));
  }
  const auto caller = std::this_thread::get_id();
  pool.For(10, 10,
           [&](std::size_t, std::size_t) { EXPECT_EQ(std::this_thread::get_id(), caller); });
}

TEST(ThreadPool, LeavesTheCallersCpusAsTheyWere) {
  cpu_set_t before, after;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  {
    ThreadPool pool(2);
    for (int round = 0; round < 100; ++round) pool.Run([](int) {});
    ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
    EXPECT_TRUE(CPU_EQUAL(&before, &after));
  }
  ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

// More threads than CPUs must cost time in proportion and not stall: 500 empty phases of 16
// threads take far below a second when nobody spins, and minutes when everybody does.
TEST(ThreadPool, DoesNotStallWithMoreThreadsThanCpus) {
  ThreadPool pool(16);
  const auto start = std::chrono::steady_clock::now();
  std::atomic<int> calls{0};
  for (int round = 0; round < 500; ++round) pool.Run([&](int) { ++calls; });
  EXPECT_EQ(calls.load(), 500 * 16);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

// A part that no worker has begun goes to the caller: here no worker can begin, because they all
// share the caller's CPU and the caller never sleeps.
TEST(ThreadPool, TheCallerDoesWhatNoWorkerHasBegun) {
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(sched_getcpu()), &one);
  if (sched_setaffinity(0, sizeof one, &one) != 0) GTEST_SKIP() << "the affinity cannot be changed";
  const auto caller = std::this_thread::get_id();
  std::atomic<int> by_caller{0}, calls{0};
  {
    ThreadPool pool(4);
    for (int round = 0; round < 200; ++round) {
      pool.Run([&](int) {
        ++calls;
        if (std::this_thread::get_id() == caller) ++by_caller;
      });
    }
  }
  sched_setaffinity(0, sizeof before, &before);
  EXPECT_EQ(calls.load(), 200 * 4);
  EXPECT_GT(by_caller.load(), 200);  // more than its own parts
}

// Workers that lag behind several tasks done without them must neither repeat nor miss a part.
TEST(ThreadPool, RunsEachPartOnceWhenWorkersLagBehind) {
  ThreadPool pool(3);
  for (int round = 0; round < 20000; ++round) {
    int calls[3] = {0, 0, 0};
    pool.Run([&](int thread) { ++calls[thread]; });
    ASSERT_TRUE(calls[0] == 1 && calls[1] == 1 && calls[2] == 1) << round;
    if (round % 1000 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

TEST(AvailableCpus, LiesBetweenOneAndTheAffinityMask) {
  cpu_set_t set;
  ASSERT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  EXPECT_GE(AvailableCpus(), 1);
  EXPECT_LE(AvailableCpus(), CPU_COUNT(&set));
}

}  // namespace
}  // namespace pawl
