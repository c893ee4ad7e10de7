// The edges of one atom: where they point, and where to find what the neighbors send.
#pragma once

#include <cmath>
#include <type_traits>

#include "model.h"

namespace adiabat {

constexpr int CHUNK = 64;  // edges whose geometry is held at a time
// Distances are counted from here [Å]: a direction needs one.
constexpr float SHORTEST = 1e-12f;

// Up to CHUNK edges of an atom that are felt: one array for each quantity, so that they are filled in a
// vectorized loop.
struct Edges {
  int count;
  int32_t slot[CHUNK], neighbor[CHUNK], row[CHUNK];
  float x[CHUNK], y[CHUNK], z[CHUNK];      // vector, then direction
  float envelope[CHUNK], back[CHUNK];          // of the edge, and of the one that points back
  float inverse[CHUNK];                        // 1 / distance
  float value[4][CHUNK], slope[4][CHUNK];      // weights of four rows of the table: cubic B-splines
  float rank2[6][CHUNK], rank3[7][CHUNK];      // harmonics; those of rank 1 are the direction
  float slope3[10][CHUNK];                     // derivatives of the harmonics of rank 3, see fill()

  using Number = Vec;
  float x_of(int e) const { return x[e]; }
  float y_of(int e) const { return y[e]; }
  float z_of(int e) const { return z[e]; }
  float envelope_of(int e) const { return envelope[e]; }
  float back_of(int e) const { return back[e]; }
  float value_of(int q, int e) const { return value[q][e]; }
  float rank2_of(int m, int e) const { return rank2[m][e]; }
  float rank3_of(int m, int e) const { return rank3[m][e]; }

  // Takes edges of the atom at place i from column k on, and returns the column to go on from. Edges that nobody feels are
  // left out, unless a coordinate is not a number: that must show. So are those that have neither end below `limit`.
  int64_t collect(const Graph& graph, int64_t i, int64_t k, bool both, int64_t limit) {
    count = 0;
    for (; k < graph.columns && count < CHUNK; ++k) {
      const int64_t edge = graph.first_edge(i) + k;
      if (i >= limit && graph.order.places[graph.index[edge]] >= limit) continue;
      const float* v = graph.vectors + 3 * edge;
      const float here = graph.envelope[edge], size = v[0] + v[1] + v[2];
      const float there = both ? graph.envelope[graph.reverse[edge]] : 0.0f;
      if (here == 0.0f && there == 0.0f && size - size == 0.0f) continue;
      slot[count] = int32_t(k);
      neighbor[count] = graph.order.places[graph.index[edge]];
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

// The same in dual numbers, while the edges move along the graph's direction.
struct DualEdges : Edges {
  float x_d[CHUNK], y_d[CHUNK], z_d[CHUNK];  // change of the vector, then of the direction
  float envelope_d[CHUNK], back_d[CHUNK], value_d[4][CHUNK], rank2_d[6][CHUNK], rank3_d[7][CHUNK];

  using Number = Dual;
  DualScalar x_of(int e) const { return {x[e], x_d[e]}; }
  DualScalar y_of(int e) const { return {y[e], y_d[e]}; }
  DualScalar z_of(int e) const { return {z[e], z_d[e]}; }
  DualScalar envelope_of(int e) const { return {envelope[e], envelope_d[e]}; }
  DualScalar back_of(int e) const { return {back[e], back_d[e]}; }
  DualScalar value_of(int q, int e) const { return {value[q][e], value_d[q][e]}; }
  DualScalar rank2_of(int m, int e) const { return {rank2[m][e], rank2_d[m][e]}; }
  DualScalar rank3_of(int m, int e) const { return {rank3[m][e], rank3_d[m][e]}; }

  int64_t collect(const Graph& graph, int64_t i, int64_t k, bool both, int64_t limit) {
    k = Edges::collect(graph, i, k, both, limit);
    for (int e = 0; e < count; ++e) {
      const int64_t edge = graph.first_edge(i) + slot[e];
      const float* v = graph.vector_changes + 3 * edge;
      x_d[e] = v[0], y_d[e] = v[1], z_d[e] = v[2];
      envelope_d[e] = graph.envelope_changes[edge];
      back_d[e] = both ? graph.envelope_changes[graph.reverse[edge]] : 0.0f;
    }
    return k;
  }

  void fill(const Sizes& sizes, float spacing) {
    Edges::fill(sizes, spacing);
    const float two = 1.22474487f;  // (3/2)^(1/2)
    for (int e = 0; e < count; ++e) {
      const float X = x[e], Y = y[e], Z = z[e];
      const float away = X * x_d[e] + Y * y_d[e] + Z * z_d[e];
      for (int q = 0; q < 4; ++q) value_d[q][e] = slope[q][e] * away;
      const float dx = (x_d[e] - X * away) * inverse[e], dy = (y_d[e] - Y * away) * inverse[e],
                  dz = (z_d[e] - Z * away) * inverse[e];
      x_d[e] = dx, y_d[e] = dy, z_d[e] = dz;
      rank2_d[0][e] = 2.0f * two * X * dx;
      rank2_d[1][e] = 2.0f * two * Y * dy;
      rank2_d[2][e] = 2.0f * two * Z * dz;
      rank2_d[3][e] = two * (X * dy + Y * dx);
      rank2_d[4][e] = two * (X * dz + Z * dx);
      rank2_d[5][e] = two * (Y * dz + Z * dy);
      const auto s = [&](int q) { return slope3[q][e]; };
      rank3_d[0][e] = s(0) * dx + s(1) * dy;
      rank3_d[1][e] = s(2) * dx + s(3) * dy + s(4) * dz;
      rank3_d[2][e] = s(5) * dy + s(6) * dz;
      rank3_d[3][e] = s(7) * dz;
      rank3_d[4][e] = s(5) * dx + s(8) * dz;
      rank3_d[5][e] = s(3) * dx - s(2) * dy + s(9) * dz;
      rank3_d[6][e] = s(1) * dx - s(0) * dy;
    }
  }
};

template <typename N>
using EdgesOf = std::conditional_t<Kind<N>::dual, DualEdges, Edges>;

// Where an atom finds what its neighbors send: rows of `stride` floats, by atom in later rounds, by species in
// the first, where only scalars are sent and depend on nothing else.
template <typename N>
struct Senders {
  const float* by_species;
  const int32_t* species;
  Pointer<N> by_atom;
  int64_t stride;

  template <bool First>
  auto of(int32_t atom) const {
    if constexpr (First)
      return by_species + species[atom] * stride;
    else
      return by_atom + int64_t(atom) * stride;
  }
};

}  // namespace adiabat
