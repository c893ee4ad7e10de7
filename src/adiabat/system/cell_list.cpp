// All pairs within a radius, by atoms in cells half as wide (Quentrec and Brot 1973, doi 10.1016/0021-9991(73)90046-6).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <future>
#include <memory>
#include <new>
#include <system_error>
#include <vector>

namespace {

constexpr int64_t SAMPLE = 256;  // atoms from whose neighbors those of all are guessed
constexpr int REACH = 2;  // cells are at least radius / REACH wide, unless they would be too many

// Cells along the three vectors of a box, and those around each.
struct Cells {
  int64_t count[3];
  int64_t reach[3];  // so many cells to either side are as far as the radius
  bool periodic[3];
  double begin[3], width[3];  // in fractions of the box

  int64_t total() const { return count[0] * count[1] * count[2]; }
  int64_t number(const int64_t* at) const { return (at[0] * count[1] + at[1]) * count[2] + at[2]; }
};

struct Edge {
  int32_t j;
  int32_t shift[3];
};

struct Found {
  std::vector<std::vector<Edge>> edges;  // as each thread found them
  std::vector<const Edge*> first;        // of each atom
  std::vector<int32_t> counts;           // of each atom's edges

  // work(j, i, edge) for the edges to atoms j from `begin` on and before `end`, by ascending i.
  template <typename Work>
  void each(int64_t begin, int64_t end, const Work& work) const {
    for (int64_t i = 0; i < int64_t(first.size()); ++i)
      for (const Edge* edge = first[i]; edge != first[i] + counts[i]; ++edge)
        if (edge->j >= begin && edge->j < end) work(edge->j, i, *edge);
  }
};

// Calls work(begin, end, thread) for as many parts of 0 .. count as there are threads, at once as far as these start.
template <typename Work>
void in_parts(int64_t count, int64_t threads, const Work& work) {
  std::vector<std::future<void>> others;
  for (int64_t t = 1; t < threads; ++t) {
    const int64_t begin = count * t / threads, end = count * (t + 1) / threads;
    try {
      others.push_back(std::async(std::launch::async, work, begin, end, t));
    } catch (const std::system_error&) {
      work(begin, end, t);
    }
  }
  work(0, count / threads, 0);
  for (auto& other : others) other.get();
}

int64_t floor_divided(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

struct Box {
  const double *rows, *inverse;  // (3, 3)

  double fraction(const double* r, int a) const {
    return r[0] * inverse[a] + r[1] * inverse[3 + a] + r[2] * inverse[6 + a];
  }

  // Of so many of its vectors, component q.
  double translation(const int32_t* times, int q) const {
    return times[0] * rows[q] + times[1] * rows[3 + q] + times[2] * rows[6 + q];
  }
};

// heights: between opposite faces of the box.
Cells cells_of(int64_t n, const double* positions, const Box& box, const double* heights, const int32_t* pbc,
               double radius) {
  Cells cells;
  for (int a = 0; a < 3; ++a) {
    cells.periodic[a] = pbc[a] != 0;
    double low = 0.0, high = 1.0;
    if (!cells.periodic[a]) {
      low = INFINITY, high = -INFINITY;
      for (int64_t i = 0; i < n; ++i) {
        const double f = box.fraction(positions + 3 * i, a);
        low = std::min(low, f), high = std::max(high, f);
      }
    }
    const double wide = (high - low) * heights[a];
    cells.begin[a] = low;
    cells.width[a] = high - low;  // of all, for now
    // Rounding must not make a cell too thin.
    const double fit = wide / radius * REACH * (1.0 - 1e-9);
    cells.count[a] = int64_t(std::clamp(fit, 1.0, std::min(4.0 * double(n), 1e6)));
  }
  while (cells.total() > 4 * n + 64) {
    int64_t* largest = std::max_element(cells.count, cells.count + 3);
    *largest = (*largest + 1) / 2;
  }
  for (int a = 0; a < 3; ++a) {
    const double wide = cells.width[a] * heights[a] / double(cells.count[a]);
    const bool alone = !cells.periodic[a] && cells.count[a] == 1;
    cells.reach[a] = alone ? 0 : int64_t(std::ceil(radius / wide * (1.0 - 1e-12)));
    cells.width[a] /= double(cells.count[a]);
  }
  return cells;
}

// The atoms by cell, those of a cell in order, each moved into the box.
struct Sorted {
  std::vector<int32_t> first;    // of each cell, and the end
  std::vector<int32_t> atoms;    // the atom at each place
  std::vector<int32_t> cell;     // of each place, along the three vectors
  std::vector<int32_t> image;    // how many times the vectors of the box were taken away
  std::vector<double> positions;

  Sorted(int64_t n, const double* given, const Box& box, const Cells& cells)
      : first(cells.total() + 1, 0), atoms(n), cell(3 * n), image(3 * n), positions(3 * n) {
    std::vector<int32_t> at(3 * n), whole(3 * n), number(n);
    for (int64_t i = 0; i < n; ++i) {
      int64_t here[3];
      for (int a = 0; a < 3; ++a) {
        double f = box.fraction(given + 3 * i, a) - cells.begin[a];
        const double times = cells.periodic[a] ? std::floor(f) : 0.0;
        f = cells.width[a] > 0.0 ? (f - times) / cells.width[a] : 0.0;
        here[a] = std::clamp<int64_t>(int64_t(f), 0, cells.count[a] - 1);
        whole[3 * i + a] = int32_t(times);
        at[3 * i + a] = int32_t(here[a]);
      }
      number[i] = int32_t(cells.number(here));
      ++first[number[i] + 1];
    }
    for (int64_t c = 0; c < cells.total(); ++c) first[c + 1] += first[c];
    std::vector<int32_t> next(first.begin(), first.end() - 1);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t place = next[number[i]]++;
      atoms[place] = int32_t(i);
      for (int q = 0; q < 3; ++q) {
        cell[3 * place + q] = at[3 * i + q];
        image[3 * place + q] = whole[3 * i + q];
        positions[3 * place + q] = given[3 * i + q] - box.translation(&whole[3 * i], q);
      }
    }
  }
};

// Calls work(first place, last place + 1, lattice) for the places in the cells around one.
template <typename Work>
void around(const Cells& cells, const Sorted& sorted, const int32_t* cell, const Work& work) {
  int32_t lattice[3];
  int64_t at[3];
  const auto inside = [&](int a, int64_t where) {
    const int64_t times = floor_divided(where, cells.count[a]);
    lattice[a] = int32_t(times);
    at[a] = where - times * cells.count[a];
    return times == 0 || cells.periodic[a];
  };
  for (int64_t x = cell[0] - cells.reach[0]; x <= cell[0] + cells.reach[0]; ++x) {
    if (!inside(0, x)) continue;
    for (int64_t y = cell[1] - cells.reach[1]; y <= cell[1] + cells.reach[1]; ++y) {
      if (!inside(1, y)) continue;
      // Cells along the third vector stand one after the other, up to the end of the box.
      const int64_t last = cell[2] + cells.reach[2];
      for (int64_t z = cell[2] - cells.reach[2], end; z <= last; z = end) {
        const bool is_inside = inside(2, z);
        end = std::min(last + 1, (lattice[2] + 1) * cells.count[2]);
        if (!is_inside) continue;
        const int64_t number = cells.number(at);
        work(sorted.first[number], sorted.first[number + end - z], lattice);
      }
    }
  }
}

}  // namespace

// Finds the pairs of n atoms, for adiabat_fill_table; null if they do not fit into the memory. rows, inverse (3, 3) and
// heights (3) are those of the box; its vectors span the directions that do not repeat, too. No two images of an atom
// may be within the radius of another. most, nearest: the largest number of neighbors and the smallest distance. The
// number of threads changes nothing.
extern "C" void* adiabat_find_pairs(int64_t n, const double* positions, const double* rows, const double* inverse,
                                    const double* heights, const int32_t* pbc, double radius, int64_t threads,
                                    int64_t* most, double* nearest) try {
  const Box box{rows, inverse};
  const Cells cells = cells_of(n, positions, box, heights, pbc, radius);
  const Sorted sorted(n, positions, box, cells);
  auto found = std::make_unique<Found>();
  found->edges.resize(threads);
  found->first.resize(n);
  found->counts.resize(n);
  const double limit = radius * radius;
  std::vector<double> smallest(threads, INFINITY);
  in_parts(n, threads, [&](int64_t begin, int64_t end, int64_t thread) {
    std::vector<Edge>& edges = found->edges[thread];
    double least = INFINITY;
    for (int64_t place = begin; place < end; ++place) {
      // A vector that grows is copied again and again, into fresh pages each time. It may grow where that is too much.
      if (place == begin + SAMPLE) try {
          edges.reserve(size_t(1.1 * double(edges.size()) / SAMPLE * double(end - begin)));
        } catch (const std::bad_alloc&) {
        }
      const int32_t i = sorted.atoms[place];
      const double* here = &sorted.positions[3 * place];
      const size_t before = edges.size();
      around(cells, sorted, &sorted.cell[3 * place], [&](int64_t first, int64_t last, const int32_t* lattice) {
        const double shift[3] = {box.translation(lattice, 0), box.translation(lattice, 1), box.translation(lattice, 2)};
        for (int64_t other = first; other < last; ++other) {
          const double* there = &sorted.positions[3 * other];
          // A pair gives the same bits from either end, so that each edge has its reverse.
          const double x = there[0] - here[0] + shift[0], y = there[1] - here[1] + shift[1],
                       z = there[2] - here[2] + shift[2], squared = x * x + y * y + z * z;
          if (!(squared < limit) || other == place) continue;
          least = std::min(least, squared);
          const int32_t *ours = &sorted.image[3 * place], *theirs = &sorted.image[3 * other];
          edges.push_back({sorted.atoms[other],
                           {lattice[0] + ours[0] - theirs[0], lattice[1] + ours[1] - theirs[1],
                            lattice[2] + ours[2] - theirs[2]}});
        }
      });
      found->counts[i] = int32_t(edges.size() - before);
    }
    const Edge* first = edges.data();
    for (int64_t place = begin; place < end; ++place) {
      found->first[sorted.atoms[place]] = first;
      first += found->counts[sorted.atoms[place]];
    }
    smallest[thread] = least;
  });
  *most = n == 0 ? 0 : *std::max_element(found->counts.begin(), found->counts.end());
  *nearest = std::sqrt(*std::min_element(smallest.begin(), smallest.end()));
  return found.release();
} catch (const std::bad_alloc&) {
  return nullptr;
}

// Writes the table of what was found, columns wide, and forgets it; found alone is only forgotten. index, reverse
// (n, columns), shift (n, columns, 3) and mask (n, columns) as in Neighbors, an atom's neighbors in order.
extern "C" void adiabat_fill_table(void* given, int64_t n, int64_t columns, int64_t threads, int32_t* index,
                                   float* shift, bool* mask, int32_t* reverse) {
  const std::unique_ptr<Found> found(static_cast<Found*>(given));
  if (index == nullptr) return;
  // Every edge is written as the reverse it has in the row of its other end: taken by ascending i, they fill that row
  // in order.
  std::vector<int32_t> filled(n, 0);
  in_parts(n, threads, [&](int64_t begin, int64_t end, int64_t) {
    std::fill(shift + 3 * begin * columns, shift + 3 * end * columns, 0.0f);
    std::fill(mask + begin * columns, mask + end * columns, false);
    for (int64_t i = begin; i < end; ++i)
      for (int64_t k = 0; k < columns; ++k) {
        index[i * columns + k] = int32_t(i);
        reverse[i * columns + k] = int32_t(i * columns + k);
      }
    found->each(begin, end, [&](int64_t j, int64_t i, const Edge& edge) {
      const int64_t slot = j * columns + filled[j]++;
      index[slot] = int32_t(i);
      mask[slot] = true;
      for (int a = 0; a < 3; ++a) shift[3 * slot + a] = float(-edge.shift[a]);
    });
  });
  // In the same way the rows, taken in order, meet the edges that point back.
  std::fill(filled.begin(), filled.end(), 0);
  in_parts(n, threads, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t slot = i * columns; slot < i * columns + found->counts[i]; ++slot) {
        const int64_t j = index[slot];
        if (j >= begin && j < end) reverse[slot] = int32_t(j * columns + filled[j]++);
      }
  });
}
