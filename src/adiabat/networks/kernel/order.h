// The order in which atoms are worked on, and pages of memory: what decides how far away the data are.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace adiabat {

// All arrays over atoms within the kernel are by place; what comes from outside and goes there is by atom.
struct Order {
  std::vector<int32_t> atoms, places;  // the atom at each place, and the place of each atom
  std::vector<int32_t> species;        // by place
  std::vector<int64_t> needed;         // of each round: so many places, from the first on, are asked for

  // In the order that is given; those that are left out of more rounds stand behind the others. by_atom: an atom's
  // species, plus the number of elements for each of the last rounds in which nobody asks for it.
  Order(int64_t n_atoms, const int32_t* given, const int32_t* by_atom, int64_t elements, int64_t interactions)
      : atoms(given, given + n_atoms), places(n_atoms), species(n_atoms), needed(interactions, 0) {
    const auto left_out = [&](int32_t atom) { return by_atom[atom] / elements; };
    if (std::any_of(by_atom, by_atom + n_atoms, [&](int32_t code) { return code >= elements; }))
      std::stable_sort(atoms.begin(), atoms.end(), [&](int32_t a, int32_t b) { return left_out(a) < left_out(b); });
    for (int32_t place = 0; place < n_atoms; ++place) {
      places[atoms[place]] = place;
      species[place] = by_atom[atoms[place]] % elements;
      for (int64_t t = 0; t < interactions - left_out(atoms[place]); ++t) ++needed[t];
    }
  }
};

// Asks for large pages where a buffer is about to be written for the first time: the system hands out small
// ones so slowly that it shows.
inline void ask_for_large_pages([[maybe_unused]] float* begin, [[maybe_unused]] int64_t count) {
#if defined(__linux__)
  constexpr uintptr_t PAGE = uintptr_t(1) << 21;
  const auto address = reinterpret_cast<uintptr_t>(begin);
  const uintptr_t first = (address + PAGE - 1) / PAGE * PAGE, last = (address + 4 * count) / PAGE * PAGE;
  if (last > first) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

}  // namespace adiabat
