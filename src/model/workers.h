// The state of one thread where a small model's batch is cut by sequences.  Private to model/.
#pragma once

#include "base/thread_pool.h"
#include "model/activations.h"

namespace pawl {

// A pool of one thread runs everything in the calling thread, so that a worker may use the ordinary
// operations inside a task of the real pool.
struct Scratch::Buffers::Worker {
  ThreadPool pool{1};
  Buffers buffers;
};

}  // namespace pawl
