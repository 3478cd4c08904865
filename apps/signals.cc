#include "apps/signals.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

namespace pawl {
namespace {

// Written by the handler, read by the work between tokens.
std::atomic<int> stop_signal{0};

void OnSignal(int number) {
  if (stop_signal.exchange(number) != 0) _exit(128 + number);
}

}  // namespace

void CatchSignals() {
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, OnSignal);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes arrives as an error of the write
}

int StopSignal() { return stop_signal.load(std::memory_order_relaxed); }

}  // namespace pawl
