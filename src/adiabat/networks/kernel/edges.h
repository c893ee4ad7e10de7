// The edges of one atom: their geometry, and the sums over them in both directions.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "model.h"
#include "vector.h"

namespace adiabat {

constexpr int CHUNK = 64;  // edges whose geometry is held at a time
// Distances are counted from here [Å]: a direction needs one.
constexpr float SHORTEST = 1e-12f;

// Up to CHUNK edges of an atom that are felt: one array for each quantity, so that they are filled in a
// vectorized loop.
struct Edges {
  int count;
  int32_t slot[CHUNK], neighbor[CHUNK], row[CHUNK];
  float x[CHUNK], y[CHUNK], z[CHUNK];          // vector, then direction
  float envelope[CHUNK], back[CHUNK];          // of the edge, and of the one that points back
  float inverse[CHUNK];                        // 1 / distance
  float value[4][CHUNK], slope[4][CHUNK];      // weights of four rows of the table: cubic B-splines
  float rank2[6][CHUNK], rank3[7][CHUNK];      // harmonics; those of rank 1 are the direction
  float slope3[10][CHUNK];                     // derivatives of the harmonics of rank 3, see fill()

  // Takes edges of atom i from column k on, and returns the column to go on from. Edges that nobody feels are
  // left out, unless a coordinate is not a number: that must show.
  int64_t collect(const Graph& graph, int64_t i, int64_t k, bool both) {
    count = 0;
    for (; k < graph.columns && count < CHUNK; ++k) {
      const int64_t edge = i * graph.columns + k;
      const float* v = graph.vectors + 3 * edge;
      const float here = graph.envelope[edge], size = v[0] + v[1] + v[2];
      const float there = both ? graph.envelope[graph.reverse[edge]] : 0.0f;
      if (here == 0.0f && there == 0.0f && size - size == 0.0f) continue;
      slot[count] = int32_t(k);
      neighbor[count] = graph.index[edge];
      x[count] = v[0], y[count] = v[1], z[count] = v[2];
      envelope[count] = here, back[count] = there;
      ++count;
    }
    return k;
  }

  void fill(const Sizes& sizes, float spacing) {
    const float a = 0.790569415f, b = 3.87298335f, c = 0.612372436f;  // (5/8)^(1/2), 15^(1/2), (3/8)^(1/2)
    const float two = 1.22474487f;                                    // (3/2)^(1/2)
    const float per_knot = 1.0f / spacing;
    const int32_t last = int32_t(sizes.knots) - 1;
    const int end = (count + W - 1) / W * W;
    for (int e = count; e < end; ++e) x[e] = 1.0f, y[e] = z[e] = 0.0f;
    for (int e = 0; e < end; ++e) {
      const float r = std::sqrt(x[e] * x[e] + y[e] * y[e] + z[e] * z[e]);
      const float knots = r * per_knot;
      // A distance that is not a number must not read outside the table.
      int32_t k = int32_t(knots < float(last) ? knots : float(last));
      k = k < 0 ? 0 : k;
      row[e] = k;
      const float t = knots - float(k), s = 1.0f - t, over = 1.0f / (r + SHORTEST);
      value[0][e] = s * s * s * (1.0f / 6.0f);
      value[1][e] = (3.0f * t * t * t - 6.0f * t * t + 4.0f) * (1.0f / 6.0f);
      value[2][e] = (3.0f * s * s * s - 6.0f * s * s + 4.0f) * (1.0f / 6.0f);
      value[3][e] = t * t * t * (1.0f / 6.0f);
      slope[0][e] = -0.5f * s * s * per_knot;
      slope[1][e] = (1.5f * t * t - 2.0f * t) * per_knot;
      slope[2][e] = (-1.5f * s * s + 2.0f * s) * per_knot;
      slope[3][e] = 0.5f * t * t * per_knot;
      inverse[e] = over;
      const float X = x[e] * over, Y = y[e] * over, Z = z[e] * over;
      x[e] = X, y[e] = Y, z[e] = Z;
      rank2[0][e] = two * (X * X - 1.0f / 3.0f);
      rank2[1][e] = two * (Y * Y - 1.0f / 3.0f);
      rank2[2][e] = two * (Z * Z - 1.0f / 3.0f);
      rank2[3][e] = two * X * Y;
      rank2[4][e] = two * X * Z;
      rank2[5][e] = two * Y * Z;
      const float five = c * (5.0f * Z * Z - 1.0f);
      rank3[0][e] = a * Y * (3.0f * X * X - Y * Y);
      rank3[1][e] = b * X * Y * Z;
      rank3[2][e] = five * Y;
      rank3[3][e] = 0.5f * Z * (5.0f * Z * Z - 3.0f);
      rank3[4][e] = five * X;
      rank3[5][e] = 0.5f * b * Z * (X * X - Y * Y);
      rank3[6][e] = a * X * (X * X - 3.0f * Y * Y);
      slope3[0][e] = 6.0f * a * X * Y;
      slope3[1][e] = 3.0f * a * (X * X - Y * Y);
      slope3[2][e] = b * Y * Z;
      slope3[3][e] = b * X * Z;
      slope3[4][e] = b * X * Y;
      slope3[5][e] = five;
      slope3[6][e] = 10.0f * c * Y * Z;
      slope3[7][e] = 0.5f * (15.0f * Z * Z - 3.0f);
      slope3[8][e] = 10.0f * c * X * Z;
      slope3[9][e] = 0.5f * b * (X * X - Y * Y);
    }
  }
};

// Where an atom finds what its neighbors send: rows of `stride` floats, by atom in later rounds, by species in
// the first, where only scalars are sent and depend on nothing else.
struct Senders {
  const float* features;
  const int32_t* species;
  int64_t stride;

  template <bool First>
  const float* of(int32_t atom) const {
    return features + (First ? species[atom] : atom) * stride;
  }
};

namespace detail {

// Radial functions of one edge, times `factor`.
template <int Sets>
inline void radial(const Edges& edges, const float (*weights)[CHUNK], int e, const float* table, int64_t C,
                   float factor, Vec* found) {
  const float* rows = table + int64_t(edges.row[e]) * Sets * C;
  float w[4];
  for (int q = 0; q < 4; ++q) w[q] = factor * weights[q][e];
#pragma GCC unroll 6
  for (int k = 0; k < Sets; ++k) found[k] = w[0] * load(rows + k * C);
#pragma GCC unroll 3
  for (int q = 1; q < 4; ++q)
#pragma GCC unroll 6
    for (int k = 0; k < Sets; ++k) found[k] += w[q] * load(rows + (q * Sets + k) * C);
}

}  // namespace detail

// Calls work with the number of channels as a constant, for the usual numbers: strides that the compiler knows
// cost nothing. 0 stands for any other.
template <typename Work>
void with_constant(int64_t channels, const Work& work) {
  if (channels == 16) return work(std::integral_constant<int, 16>());
  if (channels == 32) return work(std::integral_constant<int, 32>());
  if (channels == 64) return work(std::integral_constant<int, 64>());
  work(std::integral_constant<int, 0>());
}

// sums += the messages that the edges bring, shape (components, C), without the receiver's weights.
template <bool First, int Channels>
void receive(const Edges& edges, const float* table, const Senders& senders, int64_t channels, float* sums) {
  const int64_t C = Channels ? Channels : channels;
  constexpr int Sets = First ? FIRST_SETS : SETS;
  constexpr int Sums = First ? FIRST_SUMS : adiabat::SUMS;
  for (int64_t c = 0; c < C; c += W) {
    Vec total[Sums];
#pragma GCC unroll 26
    for (int m = 0; m < Sums; ++m) total[m] = load(sums + m * C + c);
    for (int e = 0; e < edges.count; ++e) {
      Vec f[Sets];
      detail::radial<Sets>(edges, edges.value, e, table + c, C, edges.envelope[e], f);
      const float* sent = senders.of<First>(edges.neighbor[e]) + c;
      const Vec s = load(sent);
      total[0] += f[0] * s;
      const Vec p1 = f[1] * s, p2 = f[2] * s, p3 = f[3] * s;
      total[1] += edges.x[e] * p1;
      total[2] += edges.y[e] * p1;
      total[3] += edges.z[e] * p1;
#pragma GCC unroll 6
      for (int m = 0; m < 6; ++m) total[4 + m] += edges.rank2[m][e] * p2;
#pragma GCC unroll 7
      for (int m = 0; m < 7; ++m) total[10 + m] += edges.rank3[m][e] * p3;
      if constexpr (!First) {
#pragma GCC unroll 3
        for (int m = 0; m < 3; ++m) total[17 + m] += f[4] * load(sent + (1 + m) * C);
#pragma GCC unroll 6
        for (int m = 0; m < 6; ++m) total[20 + m] += f[5] * load(sent + (4 + m) * C);
      }
    }
#pragma GCC unroll 26
    for (int m = 0; m < Sums; ++m) store(sums + m * C + c, total[m]);
  }
}

namespace detail {

// What the cotangent g (26 or 17 components, stride C) says of the messages along a direction: for each rank
// the contraction with its harmonics.
struct Contractions {
  Vec rank0, rank1, rank2, rank3;

  Contractions(const Edges& edges, int e, const float* g, int64_t C) {
    rank0 = load(g);
    rank1 = edges.x[e] * load(g + C) + edges.y[e] * load(g + 2 * C) + edges.z[e] * load(g + 3 * C);
    rank2 = edges.rank2[0][e] * load(g + 4 * C);
#pragma GCC unroll 5
    for (int m = 1; m < 6; ++m) rank2 += edges.rank2[m][e] * load(g + (4 + m) * C);
    rank3 = edges.rank3[0][e] * load(g + 10 * C);
#pragma GCC unroll 6
    for (int m = 1; m < 7; ++m) rank3 += edges.rank3[m][e] * load(g + (10 + m) * C);
  }
};

// to[axis] += d/d direction[axis] of sum_l p_l (harmonics of rank l · g).
inline void add_direction_slopes(const Edges& edges, int e, const float* g, int64_t C, Vec p1, Vec p2, Vec p3,
                                 Vec* to) {
  const float two = 1.22474487f;
  const float X = two * edges.x[e], Y = two * edges.y[e], Z = two * edges.z[e];
  const Vec xy = load(g + 7 * C), xz = load(g + 8 * C), yz = load(g + 9 * C);
  to[0] += p1 * load(g + C) + p2 * (2.0f * X * load(g + 4 * C) + Y * xy + Z * xz);
  to[1] += p1 * load(g + 2 * C) + p2 * (2.0f * Y * load(g + 5 * C) + X * xy + Z * yz);
  to[2] += p1 * load(g + 3 * C) + p2 * (2.0f * Z * load(g + 6 * C) + X * xz + Y * yz);
  const float* h = g + 10 * C;
  const Vec g0 = load(h), g1 = load(h + C), g2 = load(h + 2 * C), g3 = load(h + 3 * C), g4 = load(h + 4 * C),
            g5 = load(h + 5 * C), g6 = load(h + 6 * C);
  const auto s = [&](int q) { return edges.slope3[q][e]; };
  to[0] += p3 * (s(0) * g0 + s(2) * g1 + s(5) * g4 + s(3) * g5 + s(1) * g6);
  to[1] += p3 * (s(1) * g0 + s(3) * g1 + s(5) * g2 - s(2) * g5 - s(0) * g6);
  to[2] += p3 * (s(4) * g1 + s(6) * g2 + s(7) * g3 + s(8) * g4 + s(9) * g5);
}

}  // namespace detail

// Adds the cotangents of the edges of one atom, of which g are those of its sums, and of what the atom sent,
// which its neighbors received with their cotangents `others`; the latter not in the first round.
//
// vectors (columns, 3) and envelopes (columns) are the atom's rows; sent has shape (FEATURES, C).
template <bool First, int Channels>
void return_to_edges(const Edges& edges, const float* table, const Senders& senders, int64_t channels, const float* g,
                     const float* others, float* vectors, float* envelopes, float* sent) {
  const int64_t C = Channels ? Channels : channels;
  constexpr int Sets = First ? FIRST_SETS : SETS;
  constexpr int Sums = First ? FIRST_SUMS : adiabat::SUMS;
  for (int e = 0; e < edges.count; ++e) {
    Vec by_envelope{}, by_distance{}, by_direction[3] = {};
    for (int64_t c = 0; c < C; c += W) {
      Vec f[Sets], slope[Sets];
      detail::radial<Sets>(edges, edges.value, e, table + c, C, 1.0f, f);
      detail::radial<Sets>(edges, edges.slope, e, table + c, C, 1.0f, slope);
      const float* from = senders.of<First>(edges.neighbor[e]) + c;
      const Vec s = load(from);
      const detail::Contractions here(edges, e, g + c, C);
      by_envelope += s * (f[0] * here.rank0 + f[1] * here.rank1 + f[2] * here.rank2 + f[3] * here.rank3);
      by_distance += s * (slope[0] * here.rank0 + slope[1] * here.rank1 + slope[2] * here.rank2 + slope[3] * here.rank3);
      detail::add_direction_slopes(edges, e, g + c, C, f[1] * s, f[2] * s, f[3] * s, by_direction);
      if constexpr (!First) {
        Vec vector = load(from + C) * load(g + 17 * C + c), matrix = load(from + 4 * C) * load(g + 20 * C + c);
#pragma GCC unroll 2
        for (int m = 1; m < 3; ++m) vector += load(from + (1 + m) * C) * load(g + (17 + m) * C + c);
#pragma GCC unroll 5
        for (int m = 1; m < 6; ++m) matrix += load(from + (4 + m) * C) * load(g + (20 + m) * C + c);
        by_envelope += f[4] * vector + f[5] * matrix;
        by_distance += slope[4] * vector + slope[5] * matrix;
        // The same distance, seen from the neighbor: odd harmonics change their sign.
        const float* there = others + int64_t(edges.neighbor[e]) * Sums * C + c;
        const float back = edges.back[e];
        const detail::Contractions far(edges, e, there, C);
        add_to(sent + c, back * (f[0] * far.rank0 - f[1] * far.rank1 + f[2] * far.rank2 - f[3] * far.rank3));
        const Vec f4 = back * f[4], f5 = back * f[5];
#pragma GCC unroll 3
        for (int m = 0; m < 3; ++m) add_to(sent + (1 + m) * C + c, f4 * load(there + (17 + m) * C));
#pragma GCC unroll 6
        for (int m = 0; m < 6; ++m) add_to(sent + (4 + m) * C + c, f5 * load(there + (20 + m) * C));
      }
    }
    const float envelope = edges.envelope[e];
    const float direction[3] = {edges.x[e], edges.y[e], edges.z[e]};
    const float radial = envelope * sum(by_distance);
    float turn[3], along = 0.0f;
    for (int q = 0; q < 3; ++q) {
      turn[q] = envelope * edges.inverse[e] * sum(by_direction[q]);
      along += turn[q] * direction[q];
    }
    float* v = vectors + 3 * edges.slot[e];
    for (int q = 0; q < 3; ++q) v[q] += radial * direction[q] + turn[q] - along * direction[q];
    envelopes[edges.slot[e]] += sum(by_envelope);
  }
}

}  // namespace adiabat
