// Sums over the edges of one atom, in both directions.
#pragma once

#include "geometry.h"

namespace adiabat {

namespace detail {

// Radial functions of one edge, or others of its row of the table: those with the weights w of the splines.
template <int Sets, typename N>
inline void radial(const Edges& edges, int e, const float* table, int64_t C, const typename Kind<N>::Scalar* w,
                   N* found) {
  const float* rows = table + int64_t(edges.row[e]) * Sets * C;
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
template <bool First, int Channels, typename E>
void receive(const E& edges, const float* table, const Senders<typename E::Number>& senders, int64_t channels,
             Pointer<typename E::Number> sums) {
  using N = typename E::Number;
  const int64_t C = Channels ? Channels : channels;
  constexpr int Sets = First ? FIRST_SETS : SETS;
  constexpr int Sums = First ? FIRST_SUMS : adiabat::SUMS;
  for (int64_t c = 0; c < C; c += W) {
    N total[Sums];
#pragma GCC unroll 26
    for (int m = 0; m < Sums; ++m) total[m] = load(sums + m * C + c);
    for (int e = 0; e < edges.count; ++e) {
      typename Kind<N>::Scalar w[4];
      for (int q = 0; q < 4; ++q) w[q] = edges.envelope_of(e) * edges.value_of(q, e);
      N f[Sets];
      detail::radial<Sets>(edges, e, table + c, C, w, f);
      const auto sent = senders.template of<First>(edges.neighbor[e]) + c;
      const auto s = load(sent);
      total[0] += f[0] * s;
      const N p1 = f[1] * s, p2 = f[2] * s, p3 = f[3] * s;
      total[1] += edges.x_of(e) * p1;
      total[2] += edges.y_of(e) * p1;
      total[3] += edges.z_of(e) * p1;
#pragma GCC unroll 6
      for (int m = 0; m < 6; ++m) total[4 + m] += edges.rank2_of(m, e) * p2;
#pragma GCC unroll 7
      for (int m = 0; m < 7; ++m) total[10 + m] += edges.rank3_of(m, e) * p3;
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
template <typename N>
struct Contractions {
  N rank0, rank1, rank2, rank3;

  template <typename E, typename P>
  Contractions(const E& edges, int e, P g, int64_t C) {
    rank0 = load(g);
    rank1 = edges.x_of(e) * load(g + C) + edges.y_of(e) * load(g + 2 * C) + edges.z_of(e) * load(g + 3 * C);
    rank2 = edges.rank2_of(0, e) * load(g + 4 * C);
#pragma GCC unroll 5
    for (int m = 1; m < 6; ++m) rank2 += edges.rank2_of(m, e) * load(g + (4 + m) * C);
    rank3 = edges.rank3_of(0, e) * load(g + 10 * C);
#pragma GCC unroll 6
    for (int m = 1; m < 7; ++m) rank3 += edges.rank3_of(m, e) * load(g + (10 + m) * C);
  }
};

// What the vectors and matrices that came along an edge say of its radial functions.
template <typename P, typename Q>
inline auto vectors_between(P from, Q g, int64_t C) {
  auto total = load(from + C) * load(g + 17 * C);
#pragma GCC unroll 2
  for (int m = 1; m < 3; ++m) total += load(from + (1 + m) * C) * load(g + (17 + m) * C);
  return total;
}

template <typename P, typename Q>
inline auto matrices_between(P from, Q g, int64_t C) {
  auto total = load(from + 4 * C) * load(g + 20 * C);
#pragma GCC unroll 5
  for (int m = 1; m < 6; ++m) total += load(from + (4 + m) * C) * load(g + (20 + m) * C);
  return total;
}

// sent += the cotangents of what the atom sent along an edge, given those of the neighbor's sums: the same distance,
// seen from the neighbor, so that odd harmonics change their sign.
template <typename E, typename N, typename P>
inline void add_sent_slope(const E& edges, int e, const N* f, P there, int64_t C, P sent) {
  const auto back = edges.back_of(e);
  const Contractions<N> far(edges, e, there, C);
  add_to(sent, back * (f[0] * far.rank0 - f[1] * far.rank1 + f[2] * far.rank2 - f[3] * far.rank3));
  const N f4 = back * f[4], f5 = back * f[5];
#pragma GCC unroll 3
  for (int m = 0; m < 3; ++m) add_to(sent + (1 + m) * C, f4 * load(there + (17 + m) * C));
#pragma GCC unroll 6
  for (int m = 0; m < 6; ++m) add_to(sent + (4 + m) * C, f5 * load(there + (20 + m) * C));
}

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

// Adds the cotangents of the edges of one atom, of which g are those of its sums, and of what the atom sent, which its
// neighbors below `limit` received with their cotangents `others`; the latter not in the first round.
//
// vectors (columns, 3) and envelopes (columns) are the atom's rows; sent has shape (FEATURES, C).
template <bool First, int Channels>
void return_to_edges(const Edges& edges, const float* table, const Senders<Vec>& senders, int64_t channels,
                     int64_t limit, float* g, float* others, float* vectors, float* envelopes, float* sent) {
  const int64_t C = Channels ? Channels : channels;
  constexpr int Sets = First ? FIRST_SETS : SETS;
  constexpr int Sums = First ? FIRST_SUMS : adiabat::SUMS;
  for (int e = 0; e < edges.count; ++e) {
    float values[4], slopes[4];
    for (int q = 0; q < 4; ++q) values[q] = edges.value[q][e], slopes[q] = edges.slope[q][e];
    Vec by_envelope{}, by_distance{}, by_direction[3] = {};
    for (int64_t c = 0; c < C; c += W) {
      Vec f[Sets], slope[Sets];
      detail::radial<Sets>(edges, e, table + c, C, values, f);
      detail::radial<Sets>(edges, e, table + c, C, slopes, slope);
      const float* from = senders.of<First>(edges.neighbor[e]) + c;
      const Vec s = load(from);
      const detail::Contractions<Vec> here(edges, e, g + c, C);
      by_envelope += s * (f[0] * here.rank0 + f[1] * here.rank1 + f[2] * here.rank2 + f[3] * here.rank3);
      by_distance += s * (slope[0] * here.rank0 + slope[1] * here.rank1 + slope[2] * here.rank2 + slope[3] * here.rank3);
      detail::add_direction_slopes(edges, e, g + c, C, f[1] * s, f[2] * s, f[3] * s, by_direction);
      if constexpr (!First) {
        const Vec vector = detail::vectors_between(from, g + c, C), matrix = detail::matrices_between(from, g + c, C);
        by_envelope += f[4] * vector + f[5] * matrix;
        by_distance += slope[4] * vector + slope[5] * matrix;
        if (edges.neighbor[e] < limit)
          detail::add_sent_slope(edges, e, f, others + int64_t(edges.neighbor[e]) * Sums * C + c, C, sent + c);
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

// The share of what the atom sent alone, for an atom that received nothing itself, from neighbors that did.
template <int Channels>
void return_to_sent(const Edges& edges, const float* table, int64_t channels, float* others, float* sent) {
  const int64_t C = Channels ? Channels : channels;
  for (int e = 0; e < edges.count; ++e) {
    float values[4];
    for (int q = 0; q < 4; ++q) values[q] = edges.value[q][e];
    for (int64_t c = 0; c < C; c += W) {
      Vec f[SETS];
      detail::radial<SETS>(edges, e, table + c, C, values, f);
      detail::add_sent_slope(edges, e, f, others + int64_t(edges.neighbor[e]) * SUMS * C + c, C, sent + c);
    }
  }
}

// In dual numbers, for the derivative by the weights: adds to the cotangents of the table, and of what was sent: in
// the first round of first_sent, by species, in later ones to `sent` as above.
template <bool First, int Channels>
void return_to_table(const DualEdges& edges, const float* table, const Senders<Dual>& senders, int64_t channels,
                     DualPointer g, DualPointer others, float* by_table, float* first_sent, DualPointer sent) {
  const int64_t C = Channels ? Channels : channels;
  constexpr int Sets = First ? FIRST_SETS : SETS;
  constexpr int Sums = First ? FIRST_SUMS : adiabat::SUMS;
  for (int e = 0; e < edges.count; ++e) {
    DualScalar values[4], felt[4];
    for (int q = 0; q < 4; ++q) values[q] = edges.value_of(q, e), felt[q] = edges.envelope_of(e) * values[q];
    for (int64_t c = 0; c < C; c += W) {
      const auto from = senders.of<First>(edges.neighbor[e]) + c;
      const auto s = load(from);
      const detail::Contractions<Dual> here(edges, e, g + c, C);
      Dual f[Sets], by_radial[Sets] = {s * here.rank0, s * here.rank1, s * here.rank2, s * here.rank3};
      if constexpr (First) {
        detail::radial<Sets>(edges, e, table + c, C, felt, f);
        const Dual total = f[0] * here.rank0 + f[1] * here.rank1 + f[2] * here.rank2 + f[3] * here.rank3;
        add_to(first_sent + senders.species[edges.neighbor[e]] * C + c, total.d);
      } else {
        detail::radial<Sets>(edges, e, table + c, C, values, f);
        by_radial[4] = detail::vectors_between(from, g + c, C);
        by_radial[5] = detail::matrices_between(from, g + c, C);
        detail::add_sent_slope(edges, e, f, others + int64_t(edges.neighbor[e]) * Sums * C + c, C, sent + c);
      }
      float* rows = by_table + int64_t(edges.row[e]) * Sets * C + c;
#pragma GCC unroll 4
      for (int q = 0; q < 4; ++q)
#pragma GCC unroll 6
        for (int k = 0; k < Sets; ++k) add_to(rows + (q * Sets + k) * C, (felt[q] * by_radial[k]).d);
    }
  }
}

}  // namespace adiabat
