// What doctor reads and what it makes of it, on made-up machines.
#include "speed/system.h"

#include <gtest/gtest.h>

#include <fstream>

namespace pawl {
namespace {

namespace fs = std::filesystem;

class SystemTest : public testing::Test {
 protected:
  ~SystemTest() override { fs::remove_all(root_); }
  void Write(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  SystemFacts Read() const { return ReadSystem(root_ / "proc", root_ / "sys"); }

  fs::path root_ = fs::temp_directory_path() / "pawl-system-test";
};

TEST_F(SystemTest, ReadsWhatTheKernelShows) {
  Write("proc/meminfo", "MemTotal:  8000 kB\nMemFree: 1 kB\nMemAvailable:  4000 kB\n");
  Write("proc/cpuinfo", "processor : 0\nmodel name : x\n\nprocessor : 1\nmodel name : x\n");
  Write("proc/loadavg", "2.50 1.00 0.50 3/100 4711\n");
  Write("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
  Write("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
  Write("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "3\n");
  Write("sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "4\n");
  const SystemFacts facts = Read();
  EXPECT_EQ(facts.online_cpus, 2);
  EXPECT_EQ(facts.memory_bytes, 8000.0 * 1024);
  EXPECT_LE(facts.available_bytes, 4000.0 * 1024);
  EXPECT_EQ(facts.huge_pages, "never");
  EXPECT_EQ(facts.governor, "powersave");
  EXPECT_EQ(facts.throttle_events, 7);
  EXPECT_EQ(facts.load, 2.5);
}

TEST_F(SystemTest, AMachineThatShowsNothingIsNoError) {
  Write("sys/kernel/mm/transparent_hugepage/enabled", "] odd [");
  const SystemFacts facts = Read();
  EXPECT_EQ(facts.online_cpus, 0);
  EXPECT_EQ(facts.memory_bytes, 0);
  EXPECT_EQ(facts.huge_pages, "unknown");
  EXPECT_EQ(facts.governor, "");
  EXPECT_EQ(facts.throttle_events, 0);
}

TEST(SystemProblems, EachComesWithItsRemedyAndOnlyWhereItIs) {
  SystemFacts good;
  good.online_cpus = good.usable_cpus = 4;
  good.memory_bytes = good.available_bytes = 16e9;
  good.free_disk_bytes = 100e9;
  good.huge_pages = "madvise";
  MachinePeaks peaks;
  peaks.read_gb_per_second = 40;
  EXPECT_TRUE(FindProblems(good, peaks, {}, Isa::kAvx2).empty());

  const auto only = [&](SystemFacts facts, SteadyRate steady, const char* words, double read = 40,
                        Isa isa = Isa::kAvx2) {
    MachinePeaks measured = peaks;
    measured.read_gb_per_second = read;
    const auto problems = FindProblems(facts, measured, steady, isa);
    ASSERT_EQ(problems.size(), 1u) << words;
    EXPECT_NE(problems[0].problem.find(words), std::string::npos) << problems[0].problem;
    EXPECT_FALSE(problems[0].remedy.empty());
  };
  SystemFacts bad = good;
  bad.usable_cpus = 2;
  only(bad, {}, "only 2 of 4 CPUs");
  bad = good;
  bad.available_bytes = 1e9;
  bad.limit = MemoryLimit{1000000000, "the cgroup's memory.max"};
  only(bad, {}, "1.0 GB of memory are available, by the cgroup's memory.max");
  bad = good;
  bad.free_disk_bytes = 1e9;
  only(bad, {}, "1.0 GB of disk");
  bad = good;
  bad.huge_pages = "never";
  only(bad, {}, "huge pages are off");
  bad = good;
  bad.governor = "powersave";
  only(bad, {}, "governor is powersave");
  bad = good;
  bad.throttle_events = 9;
  only(bad, {}, "slowed down for heat 9 times");
  bad = good;
  bad.load = 8;
  only(bad, {}, "load 8.0");
  only(good, {0.99, 0.7, 0.65}, "falls to 71 %");
  only(good, {0.9, 0.9, 0.3}, "the CPUs are shared");
  only(good, {}, "reads at only 2.0 GB/s", 2);
  only(good, {}, "neither AVX2", 40, Isa::kPortable);
}

TEST(SteadyRate, IsRelativeToTheBestSlice) {
  ThreadPool pool(1);
  const SteadyRate rate = MeasureSteadyRate(pool, BestIsa());
  for (const double share : {rate.begin, rate.end, rate.least}) {
    EXPECT_GT(share, 0);
    EXPECT_LE(share, 1);
  }
  EXPECT_LE(rate.least, rate.begin);
}

}  // namespace
}  // namespace pawl
