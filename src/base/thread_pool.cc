#include "base/thread_pool.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "base/check.h"

namespace pawl {
namespace {

// A phase of a decode step lasts 10 to 500 us, so a worker that spins this long sees nearly every
// next task without a system call, and burns little when none comes.
constexpr std::chrono::microseconds kSpin{50};

void FutexWait(std::atomic<std::uint32_t>& word, std::uint32_t expected) {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT_PRIVATE, expected, nullptr,
          nullptr, 0);
}

void FutexWake(std::atomic<std::uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr,
          nullptr, 0);
}

void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// True as soon as ready() holds; false when kSpin is over.
template <class Ready>
bool SpinUntil(const Ready& ready) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      Pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

std::vector<int> AllowedCpus() {
  std::vector<int> cpus;
  for (int size = CPU_SETSIZE; size <= (1 << 20); size *= 4) {
    cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(size));
    if (set == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(size));
    const bool known = sched_getaffinity(0, bytes, set) == 0;
    for (int cpu = 0; known && cpu < size; ++cpu) {
      if (CPU_ISSET_S(static_cast<std::size_t>(cpu), bytes, set)) cpus.push_back(cpu);
    }
    CPU_FREE(set);
    if (known) break;  // else the kernel's mask is larger than ours: try a larger one
  }
  return cpus;
}

// The lowest number among the hardware threads of cpu's core, or cpu itself when unknown.
int FirstSibling(int cpu) {
  std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                     "/topology/thread_siblings_list");
  int first = cpu;
  return file >> first ? first : cpu;
}

// One hardware thread of each core first; then the others.
std::vector<int> CoresFirst(const std::vector<int>& allowed) {
  std::vector<int> first, rest, seen;
  for (const int cpu : allowed) {
    const int core = FirstSibling(cpu);
    const bool new_core = std::find(seen.begin(), seen.end(), core) == seen.end();
    (new_core ? first : rest).push_back(cpu);
    if (new_core) seen.push_back(core);
  }
  first.insert(first.end(), rest.begin(), rest.end());
  return first;
}

// Lets the calling thread run on `cpus` only.
void RunOn(const std::vector<int>& cpus) {
  const auto size = static_cast<std::size_t>(*std::max_element(cpus.begin(), cpus.end())) + 1;
  cpu_set_t* set = CPU_ALLOC(size);
  if (set == nullptr) return;
  const std::size_t bytes = CPU_ALLOC_SIZE(size);
  CPU_ZERO_S(bytes, set);
  for (const int cpu : cpus) CPU_SET_S(static_cast<std::size_t>(cpu), bytes, set);
  sched_setaffinity(0, bytes, set);  // refused in some sandboxes; then the scheduler places us
  CPU_FREE(set);
}

// CPUs that the cgroup (v2) of this process and its ancestors grant; INT_MAX when unlimited.
int CgroupCpus() {
  std::ifstream membership("/proc/self/cgroup");
  std::string line, path;
  while (std::getline(membership, line)) {
    if (line.rfind("0::", 0) == 0) path = line.substr(3);
  }
  int cpus = INT_MAX;
  for (;;) {
    std::ifstream file("/sys/fs/cgroup" + path + "/cpu.max");
    std::string quota;
    double period = 0;
    if (file >> quota >> period && quota != "max" && period > 0) {
      std::istringstream text(quota);
      double granted = 0;
      if (text >> granted && granted > 0 && granted / period < 1e6) {
        cpus = std::min(cpus, std::max(1, static_cast<int>(granted / period + 0.999)));
      }
    }
    const auto slash = path.rfind('/');
    if (path.empty() || slash == std::string::npos) return cpus;
    path.resize(slash);
  }
}

}  // namespace

IndexRange ThreadRange(std::size_t count, std::size_t grain, int thread, int threads) {
  PAWL_CHECK(grain > 0 && threads > 0 && thread >= 0 && thread < threads);
  const std::size_t grains = count / grain + (count % grain != 0 ? 1 : 0);
  const auto n = static_cast<std::size_t>(threads), i = static_cast<std::size_t>(thread);
  const std::size_t base = grains / n, extra = grains % n;
  const std::size_t begin = base * i + std::min(i, extra);
  const std::size_t end = begin + base + (i < extra ? 1 : 0);
  return {std::min(begin * grain, count), std::min(end * grain, count)};
}

int AvailableCpus() {
  const auto allowed = static_cast<int>(AllowedCpus().size());
  return std::max(1, std::min(allowed, CgroupCpus()));
}

// One task at a time: Run publishes it by raising `epoch`; the last part that finishes wakes the
// caller through `running`.  A part belongs to whoever claims it first: its worker, or the caller
// once its own part is done, so that a worker which sleeps or waits for its CPU delays nobody.
struct ThreadPool::State {
  std::vector<std::thread> workers;
  std::vector<int> allowed, pinned;  // CPUs of the process; of the caller and each worker, or empty
  std::chrono::steady_clock::time_point last_move;
  bool spin = true;
  std::atomic<bool> stop{false};
  void (*task)(void*, int) = nullptr;
  void* context = nullptr;
  alignas(64) std::atomic<std::uint32_t> epoch{0};
  // Per worker: the epoch of the last task whose part was claimed.
  struct alignas(64) Claim {
    std::atomic<std::uint32_t> epoch{0};
  };
  std::vector<Claim> claims;
  alignas(64) std::atomic<std::uint32_t> running{0};
  alignas(64) std::atomic<std::uint32_t> sleepers{0};
  std::atomic<std::uint32_t> caller_sleeps{0};

  void Work(int thread, int cpu) {
    if (cpu >= 0) RunOn({cpu});
    for (std::uint32_t seen = 0;;) {
      const auto ready = [&] { return epoch.load(std::memory_order_acquire) != seen; };
      if (!(spin ? SpinUntil(ready) : ready())) {
        sleepers.fetch_add(1);
        while (epoch.load() == seen) FutexWait(epoch, seen);
        sleepers.fetch_sub(1);
      }
      // Tasks whose parts were all done by the caller may have come and gone meanwhile.
      seen = epoch.load(std::memory_order_acquire);
      if (stop.load()) return;
      if (!Claimed(thread, seen)) continue;
      task(context, thread);
      if (running.fetch_sub(1) == 1 && caller_sleeps.load() != 0) FutexWake(running);
    }
  }

  // True for the first that asks for this thread's part of the task numbered `number`; a successful
  // claim also keeps the task alive, because the caller waits for it.
  bool Claimed(int thread, std::uint32_t number) {
    std::uint32_t before = number - 1;
    return claims[static_cast<std::size_t>(thread)].epoch.compare_exchange_strong(before, number);
  }

  // A caller that the scheduler put on a worker's CPU goes back to its own, and is free again at
  // once: its mask would be inherited by threads and processes that it starts.
  void LeaveWorkersAlone() {
    if (pinned.empty()) return;
    const int here = sched_getcpu();
    if (here == pinned[0] || std::find(pinned.begin(), pinned.end(), here) == pinned.end()) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - last_move < std::chrono::milliseconds(1)) return;
    last_move = now;
    RunOn({pinned[0]});
    RunOn(allowed);
  }

  void Publish() {
    epoch.fetch_add(1);
    if (sleepers.load() != 0) FutexWake(epoch);
  }

  void AwaitWorkers() {
    const auto done = [&] { return running.load(std::memory_order_acquire) == 0; };
    if (spin ? SpinUntil(done) : done()) return;
    caller_sleeps.store(1);
    for (std::uint32_t left; (left = running.load()) != 0;) FutexWait(running, left);
    caller_sleeps.store(0);
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  PAWL_CHECK(threads >= 1);
  if (threads == 1) return;
  state_->claims = std::vector<State::Claim>(static_cast<std::size_t>(threads));
  const std::vector<int> allowed = AllowedCpus();
  const auto count = static_cast<std::size_t>(threads);
  // Spinning threads that outnumber CPUs take turns of whole scheduler slices: sleep at once then.
  state_->spin = threads <= AvailableCpus();
  if (count <= allowed.size()) {
    // Spinners on one core take turns of whole scheduler slices: 7.65 ms instead of 0.3 measured.
    // The caller keeps the CPU it is on, so that two small processes seldom choose the same CPUs.
    std::vector<int> order = CoresFirst(allowed);
    const auto here = std::find(order.begin(), order.end(), sched_getcpu());
    if (here != order.end()) std::rotate(order.begin(), here, order.end());
    order = CoresFirst(order);  // rotation may have put siblings side by side again
    order.resize(count);
    state_->pinned = order;
    state_->allowed = allowed;
  }
  for (int thread = 1; thread < threads; ++thread) {
    const int cpu = state_->pinned.empty() ? -1 : state_->pinned[static_cast<std::size_t>(thread)];
    try {
      state_->workers.emplace_back(
          [state = state_.get(), thread, cpu] { state->Work(thread, cpu); });
    } catch (const std::system_error&) {
      break;  // the process limit is reached: fewer threads, the same bits
    }
  }
}

ThreadPool::~ThreadPool() {
  if (state_->workers.empty()) return;
  state_->stop = true;
  state_->Publish();
  for (std::thread& worker : state_->workers) worker.join();
}

int ThreadPool::size() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::RunErased(void (*task)(void*, int), void* context) {
  State& state = *state_;
  if (!state.workers.empty()) {
    state.LeaveWorkersAlone();
    state.task = task;
    state.context = context;
    state.running.store(static_cast<std::uint32_t>(state.workers.size()));
    state.Publish();
  }
  task(context, 0);
  if (state.workers.empty()) return;
  const std::uint32_t number = state.epoch.load();
  for (int thread = 1; thread <= static_cast<int>(state.workers.size()); ++thread) {
    if (!state.Claimed(thread, number)) continue;
    task(context, thread);
    state.running.fetch_sub(1);
  }
  state.AwaitWorkers();
}

}  // namespace pawl
