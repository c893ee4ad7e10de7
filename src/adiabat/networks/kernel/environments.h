// What reaches the network of a structure: vectors and envelopes of its edges, the share the network has in an
// atom's energy, and the repulsion of atoms that are too near; the formulas are those of networks/environments.py.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "parallel.h"

namespace adiabat {

// ZBL's numbers of a pair of elements: where the repulsion ends [Å], 0 where there is none; half the energy of the bare
// charges at 1 Å [eV]; what the distance is multiplied by.
struct RepulsionOfPair {
  double end, strength, size;
};

struct Structure {
  int64_t n_atoms, columns;
  const double* positions;  // (n_atoms, 3)
  const double* cells;      // (n_atoms, 3, 3)
  const float* shift;       // (n_atoms, columns, 3)
  const int32_t *index, *reverse;
  const bool* mask;
  const int32_t* species;
  int64_t n_elements;
  const RepulsionOfPair* repulsion;  // (n_elements, n_elements)

  const RepulsionOfPair& repulsion_of(int64_t i, int64_t edge) const {
    return repulsion[species[i] * n_elements + species[index[edge]]];
  }
};

// A function of the distance and its slope.
template <typename T>
struct Curve {
  T value, slope;
};

// polynomial_cutoff() with p = 6.
inline Curve<float> cutoff_curve(float r, float cutoff) {
  const float x = r / cutoff;
  if (!(x < 1.0f)) return {0.0f, 0.0f};
  const float x2 = x * x, x5 = x2 * x2 * x;
  return {1.0f - x5 * x * (28.0f - 48.0f * x + 21.0f * x2), -168.0f * x5 * (1.0f - x) * (1.0f - x) / cutoff};
}

// smooth_step() over the last three tenths before the end.
template <typename T>
Curve<T> repulsion_curve(T r, T end) {
  constexpr T BEGIN = T(0.7);
  if (!(r < end)) return {T(0), T(0)};
  const T width = end - BEGIN * end, t = (r - BEGIN * end) / width;
  if (t < T(0)) return {T(1), T(0)};
  return {T(1) - t * t * t * (T(10) - t * (T(15) - T(6) * t)), T(-30) * t * t * (T(1) - t) * (T(1) - t) / width};
}

// Half the energy of a pair.
inline Curve<double> zbl_curve(double r, const RepulsionOfPair& pair) {
  constexpr double COEFFICIENTS[] = {0.18175, 0.50986, 0.28022, 0.02817};
  constexpr double EXPONENTS[] = {3.19980, 0.94229, 0.40290, 0.20162};
  double phi = 0.0, phi_slope = 0.0;
  for (int k = 0; k < 4; ++k) {
    const double part = COEFFICIENTS[k] * std::exp(-EXPONENTS[k] * pair.size * r);
    phi += part;
    phi_slope -= EXPONENTS[k] * pair.size * part;
  }
  const double bare = pair.strength / r;
  const Curve<double> s = repulsion_curve(r, pair.end);
  return {bare * phi * s.value, bare * (phi_slope * s.value + phi * s.slope - phi * s.value / r)};
}

inline void edge_vector(const Structure& s, int64_t i, int64_t edge, double* v) {
  const int64_t j = s.index[edge];
  const float* shift = s.shift + 3 * edge;
  const double* cell = s.cells + 9 * i;
  for (int q = 0; q < 3; ++q)
    v[q] = s.positions[3 * j + q] - s.positions[3 * i + q] + double(shift[0]) * cell[q] +
           double(shift[1]) * cell[3 + q] + double(shift[2]) * cell[6 + q];
}

template <typename T>
T length(const T* v) {
  return std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
}

// The share of the network from the sums over the edges of its envelopes and of those of the repulsion, and its
// derivatives by both.
struct Share {
  float value, by_envelope, by_short;

  Share(float envelope, float near) {
    const float apart = std::exp(-5.0f * near), free = -std::expm1(-3.0f * envelope);
    value = free * apart;
    by_envelope = 3.0f * (1.0f - free) * apart;
    by_short = -5.0f * value;
  }
};

// vectors (n_atoms, columns, 3), envelope (n_atoms, columns), share and repelled (n_atoms).
template <typename Pool>
void find_environments(const Structure& s, float cutoff, float* vectors, float* envelope,
                       float* share, double* repelled, Pool& pool) {
  for_each_atom(s.n_atoms, pool, [&](int64_t i) {
    float felt = 0.0f, near = 0.0f;
    double energy = 0.0;
    for (int64_t k = 0; k < s.columns; ++k) {
      const int64_t edge = i * s.columns + k;
      float* v = vectors + 3 * edge;
      envelope[edge] = 0.0f;
      if (!s.mask[edge]) {
        v[0] = 1.5f * cutoff + 1.0f, v[1] = v[2] = 0.0f;
        continue;
      }
      double exact[3];
      edge_vector(s, i, edge, exact);
      for (int q = 0; q < 3; ++q) v[q] = float(exact[q]);
      const float r = length(v);
      const RepulsionOfPair& pair = s.repulsion_of(i, edge);
      const float too_near = repulsion_curve(r, float(pair.end)).value;
      envelope[edge] = cutoff_curve(r, cutoff).value * (1.0f - too_near);
      felt += envelope[edge];
      near += too_near;
      if (too_near > 0.0f) energy += zbl_curve(length(exact), pair).value;
    }
    share[i] = Share(felt, near).value;
    repelled[i] = energy;
  });
}

// What is given for the derivative: cotangents of all that find_environments() finds.
struct EnvironmentCotangents {
  const float *vectors, *envelope, *share;
  const double* repelled;

  // Whether nothing is felt of what an atom sees: so it is at the rim of a domain.
  bool vanish(int64_t i, int64_t columns) const {
    const auto zero = [](auto x) { return x == 0; };
    return zero(share[i]) && zero(repelled[i]) &&
           std::all_of(envelope + i * columns, envelope + (i + 1) * columns, zero) &&
           std::all_of(vectors + 3 * i * columns, vectors + 3 * (i + 1) * columns, zero);
  }
};

// by_positions (n_atoms, 3) and by_cells (n_atoms, 3, 3); pull (n_atoms, columns, 3) is what each edge pulls with, and
// may take the place of given.vectors.
template <typename Pool>
void return_environments(const Structure& s, float cutoff, const EnvironmentCotangents& given, double* by_positions,
                         double* by_cells, float* pull, Pool& pool) {
  for_each_atom(s.n_atoms, pool, [&](int64_t i) {
    float felt = 0.0f, near = 0.0f;
    double* cell = by_cells + 9 * i;
    for (int q = 0; q < 9; ++q) cell[q] = 0.0;
    if (given.vanish(i, s.columns)) {
      std::fill_n(pull + 3 * i * s.columns, 3 * s.columns, 0.0f);
      return;
    }
    const auto each_edge = [&](auto&& work) {
      for (int64_t k = 0; k < s.columns; ++k) {
        const int64_t edge = i * s.columns + k;
        if (!s.mask[edge]) continue;
        double exact[3];
        edge_vector(s, i, edge, exact);
        const float v[3] = {float(exact[0]), float(exact[1]), float(exact[2])}, r = length(v);
        work(edge, exact, v, r, cutoff_curve(r, cutoff), repulsion_curve(r, float(s.repulsion_of(i, edge).end)));
      }
    };
    each_edge([&](int64_t, const double*, const float*, float, Curve<float> u, Curve<float> too_near) {
      felt += u.value * (1.0f - too_near.value);
      near += too_near.value;
    });
    const Share share(felt, near);
    each_edge([&](int64_t edge, const double* exact, const float* v, float r, Curve<float> u,
                  Curve<float> too_near) {
      const float by_envelope = given.envelope[edge] + given.share[i] * share.by_envelope;
      const float by_distance = by_envelope * (u.slope * (1.0f - too_near.value) - u.value * too_near.slope) +
                                given.share[i] * share.by_short * too_near.slope;
      const float along = by_distance / r;
      float* g = pull + 3 * edge;
      for (int q = 0; q < 3; ++q) g[q] = given.vectors[3 * edge + q] + along * v[q];
      if (too_near.value > 0.0f) {
        const double distance = length(exact);
        const double slope = given.repelled[i] * zbl_curve(distance, s.repulsion_of(i, edge)).slope;
        for (int q = 0; q < 3; ++q) g[q] += float(slope * exact[q] / distance);
      }
      for (int a = 0; a < 3; ++a)
        for (int q = 0; q < 3; ++q) cell[3 * a + q] += double(s.shift[3 * edge + a]) * g[q];
    });
  });
  for_each_atom(s.n_atoms, pool, [&](int64_t i) {
    double total[3] = {};
    for (int64_t k = 0; k < s.columns; ++k) {
      const int64_t edge = i * s.columns + k;
      if (!s.mask[edge]) continue;
      const float *there = pull + 3 * int64_t(s.reverse[edge]), *here = pull + 3 * edge;
      for (int q = 0; q < 3; ++q) total[q] += double(there[q]) - double(here[q]);
    }
    for (int q = 0; q < 3; ++q) by_positions[3 * i + q] = total[q];
  });
}

}  // namespace adiabat
