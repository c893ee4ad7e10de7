// Work in pieces on XLA's threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <type_traits>

namespace adiabat {

// Fewer pieces than this are done by the calling thread: waking another takes longer.
constexpr int64_t FEWEST_PIECES = 8;

// Calls work(0), .., work(count - 1), each once, and returns when all are done; fewer than `fewest` on this thread.
//
// The calling thread takes pieces like any other, so it never waits for a task to be started, only for pieces
// that some thread is already at: it cannot be locked up by a busy pool. A task that is started too late finds
// nothing left, and touches only what it shares in the ownership of.
template <typename Pool, typename Work>
void for_each(int64_t count, Pool& pool, const Work& work, int64_t fewest = FEWEST_PIECES) {
  const int64_t threads = std::min<int64_t>(pool.num_threads(), count);
  if (count < fewest || threads < 2) {
    for (int64_t piece = 0; piece < count; ++piece) work(piece);
    return;
  }
  struct Progress {
    std::atomic<int64_t> next{0}, done{0};
  };
  const auto progress = std::make_shared<Progress>();
  const auto help = [progress, count, &work] {
    for (int64_t piece; (piece = progress->next.fetch_add(1)) < count;) {
      work(piece);
      progress->done.fetch_add(1, std::memory_order_release);
    }
  };
  for (int64_t other = 1; other < threads; ++other) pool.Schedule(std::decay_t<decltype(help)>(help));
  help();
  while (progress->done.load(std::memory_order_acquire) < count) std::this_thread::yield();
}

// Calls work(i) for each atom, many atoms to a piece.
template <typename Pool, typename Work>
void for_each_atom(int64_t n_atoms, Pool& pool, const Work& work) {
  constexpr int64_t ATOMS = 64;
  for_each(
      (n_atoms + ATOMS - 1) / ATOMS, pool,
      [&](int64_t piece) {
        for (int64_t i = piece * ATOMS; i < std::min(n_atoms, (piece + 1) * ATOMS); ++i) work(i);
      },
      2);
}

}  // namespace adiabat
