#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"

namespace pawl {
namespace {

// About 20 us on current CPUs: longer than the gap between two operations of a layer, far shorter
// than a scheduler slice, so that a busy machine slows us in proportion and no more.
constexpr int kSpins = 4000;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

std::vector<int> AllowedCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
  }
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}

// CPUs that the cgroup's quota pays for ("max 100000" or "150000 100000"); 0: unlimited or unknown.
int CgroupCpus() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  return std::max(1, static_cast<int>(std::ceil(std::atof(quota.c_str()) / period)));
}

}  // namespace

IndexRange ThreadRange(std::size_t count, std::size_t grain, int thread, int threads) {
  PAWL_CHECK(grain > 0 && thread >= 0 && thread < threads);
  const std::size_t units = (count + grain - 1) / grain;
  const auto t = static_cast<std::size_t>(thread), n = static_cast<std::size_t>(threads);
  const std::size_t share = units / n, extra = units % n;
  const std::size_t begin = t * share + std::min(t, extra);
  const std::size_t end = begin + share + (t < extra ? 1 : 0);
  return {std::min(count, begin * grain), std::min(count, end * grain)};
}

struct ThreadPool::State {
  // Set by the caller before epoch moves, read by the workers after they saw it move.
  void (*task)(void*, int) = nullptr;
  void* context = nullptr;

  alignas(64) std::atomic<std::uint32_t> epoch{0};
  alignas(64) std::atomic<int> remaining{0};
  std::atomic<bool> stop{false};
  int spins = kSpins;
  std::vector<std::thread> workers;

  void Work(int thread) {
    std::uint32_t seen = 0;
    for (;;) {
      for (int i = 0; i < spins && epoch.load(std::memory_order_acquire) == seen; ++i) Pause();
      while (epoch.load(std::memory_order_acquire) == seen) epoch.wait(seen);
      seen = epoch.load(std::memory_order_acquire);
      if (stop.load(std::memory_order_acquire)) return;
      task(context, thread);
      if (remaining.fetch_sub(1, std::memory_order_acq_rel) == 1) remaining.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  PAWL_CHECK(threads >= 1);
  const std::vector<int> cpus = AllowedCpus();
  const bool fits = threads <= AvailableCpus();
  if (!fits) state_->spins = 0;  // a spinning thread would take the CPU from one that has work
  for (int t = 1; t < threads; ++t) {
    state_->workers.emplace_back([state = state_.get(), t] { state->Work(t); });
    if (fits && static_cast<std::size_t>(threads) <= cpus.size()) {
      // The caller stays free: its mask would be inherited by processes it starts.
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(cpus[static_cast<std::size_t>(t)], &set);
      pthread_setaffinity_np(state_->workers.back().native_handle(), sizeof set, &set);
    }
  }
}

ThreadPool::~ThreadPool() {
  state_->stop.store(true, std::memory_order_release);
  state_->epoch.fetch_add(1, std::memory_order_acq_rel);
  state_->epoch.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

int ThreadPool::size() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::RunErased(void (*task)(void*, int), void* context) {
  State& state = *state_;
  if (state.workers.empty()) {
    task(context, 0);
    return;
  }
  state.task = task;
  state.context = context;
  state.remaining.store(static_cast<int>(state.workers.size()), std::memory_order_relaxed);
  state.epoch.fetch_add(1, std::memory_order_acq_rel);
  state.epoch.notify_all();
  task(context, 0);
  for (int i = 0; i < state.spins; ++i) {
    if (state.remaining.load(std::memory_order_acquire) == 0) return;
    Pause();
  }
  for (int left; (left = state.remaining.load(std::memory_order_acquire)) != 0;) {
    state.remaining.wait(left);
  }
}

int AvailableCpus() {
  const int allowed = static_cast<int>(AllowedCpus().size());
  const int quota = CgroupCpus();
  return quota > 0 ? std::min(allowed, quota) : allowed;
}

}  // namespace pawl
