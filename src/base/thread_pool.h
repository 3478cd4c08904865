// One pool of threads, created once and passed to whoever computes; results never depend on how
// many threads it has.  Thread 0 is the caller; the others are pinned within the allowed CPU set
// where it has enough CPUs, wait by a short spin and then sleep on a futex. Not re-entrant: a task
// must not call Run on its own pool, and one thread at a time may call Run.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

namespace pawl {

struct IndexRange {
  std::size_t begin = 0, end = 0;
  std::size_t size() const { return end - begin; }
};

// The part of [0, count) that thread `thread` of `threads` does: contiguous, cut at multiples of
// grain (the last part may end elsewhere), sizes as equal as that allows.
IndexRange ThreadRange(std::size_t count, std::size_t grain, int thread, int threads);

class ThreadPool {
 public:
  // threads >= 1.  More threads than CPUs is allowed: the same bits, only slower.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;

  // Calls task(thread) once for every thread number and returns when all have finished.  The caller
  // does number 0, then those that no worker has begun: a task must not wait for another's
  // progress.
  template <class Task>
  void Run(Task&& task) {
    RunErased([](void* context,
                 int thread) { (*static_cast<std::remove_reference_t<Task>*>(context))(thread); },
              const_cast<void*>(static_cast<const void*>(&task)));
  }

  // Calls work(begin, end) on the parts that ThreadRange gives; empty parts are not called.
  template <class Work>
  void For(std::size_t count, std::size_t grain, Work&& work) {
    if (size() == 1 || count <= grain) {
      if (count > 0) work(std::size_t{0}, count);
      return;
    }
    Run([&](int thread) {
      const IndexRange range = ThreadRange(count, grain, thread, size());
      if (range.size() > 0) work(range.begin, range.end);
    });
  }

 private:
  void RunErased(void (*task)(void*, int), void* context);
  struct State;
  std::unique_ptr<State> state_;
};

// CPUs this process may use: the affinity mask, bounded by the cgroup's quota; at least 1.
int AvailableCpus();

}  // namespace pawl
