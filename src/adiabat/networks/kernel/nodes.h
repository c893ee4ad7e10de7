// What happens on the atoms: products of the sums, and the layers that mix them. Everything works on blocks of
// BLOCK atoms; a block that is not full computes rows that nobody reads.
#pragma once

#include "dense.h"
#include "model.h"
#include "tensors.h"

namespace adiabat {

// The sums of one atom and its own features, for W channels.
template <typename N>
struct Atom {
  N scalar, a0, a3[7];
  Vector3<N> a1, v, own_vector;
  Matrix<N> a2, m, own_matrix;
};

template <bool First, typename P, typename Q>
inline Atom<NumberAt<P>> load_atom(P sums, Q own, int64_t C) {
  Atom<NumberAt<P>> atom{};
  atom.scalar = load(own);
  atom.a0 = load(sums);
  atom.a1 = load_vector(sums + C, C);
  atom.a2 = load_matrix(sums + 4 * C, C);
  for (int q = 0; q < 7; ++q) atom.a3[q] = load(sums + (10 + q) * C);
  if constexpr (!First) {
    atom.v = load_vector(sums + 17 * C, C);
    atom.m = load_matrix(sums + 20 * C, C);
    atom.own_vector = load_vector(own + C, C);
    atom.own_matrix = load_matrix(own + 4 * C, C);
  }
  return atom;
}

// The invariants of one atom, as Interaction.__call__ lists them: number q goes to to[q C].
template <bool First, typename N>
inline void invariants(const Atom<N>& a, Pointer<N> to, int64_t C) {
  store(to, a.scalar);
  store(to + C, a.a0);
  store(to + 2 * C, dot(a.a1, a.a1));
  store(to + 3 * C, contract(a.a2, a.a2));
  N square = a.a3[0] * a.a3[0];
  for (int q = 1; q < 7; ++q) square += a.a3[q] * a.a3[q];
  store(to + 4 * C, square);
  store(to + 5 * C, dot(a.a1, matrix_vector(a.a2, a.a1)));
  if constexpr (!First) {
    store(to + 6 * C, dot(a.a1, a.v));
    store(to + 7 * C, dot(a.v, a.v));
    store(to + 8 * C, contract(a.a2, a.m));
    store(to + 9 * C, contract(a.m, a.m));
    store(to + 10 * C, dot(a.own_vector, a.a1));
    store(to + 11 * C, contract(a.own_matrix, a.a2));
    store(to + 12 * C, dot(a.v, matrix_vector(a.a2, a.v)));
    store(to + 13 * C, dot(a.a1, matrix_vector(a.m, a.a1)));
  }
}

// The vectors and matrices of one atom in the same order; components are `stride` apart.
template <bool First, typename N>
inline void products(const Atom<N>& a, Pointer<N> vectors, int64_t vector_stride, Pointer<N> matrices,
                     int64_t matrix_stride, int64_t C) {
  store(vectors, vector_stride, a.a1);
  store(vectors + C, vector_stride, matrix_vector(a.a2, a.a1));
  store(matrices, matrix_stride, a.a2);
  store(matrices + C, matrix_stride, outer(a.a1, a.a1));
  store(matrices + 2 * C, matrix_stride, matrix_product(a.a2, a.a2));
  if constexpr (!First) {
    store(vectors + 2 * C, vector_stride, a.v);
    store(vectors + 3 * C, vector_stride, matrix_vector(a.a2, a.v));
    store(vectors + 4 * C, vector_stride, matrix_vector(a.m, a.a1));
    store(vectors + 5 * C, vector_stride, a.own_vector);
    store(matrices + 3 * C, matrix_stride, a.m);
    store(matrices + 4 * C, matrix_stride, outer(a.a1, a.v));
    store(matrices + 5 * C, matrix_stride, matrix_product(a.a2, a.m));
    store(matrices + 6 * C, matrix_stride, a.own_matrix);
  }
}

// to += the cotangents of the atom by those of its invariants.
template <bool First, typename N>
inline void add_invariants_slope(const Atom<N>& a, Pointer<N> g, int64_t C, Atom<N>& to) {
  const auto at = [&](int q) { return load(g + q * C); };
  to.scalar += at(0);
  to.a0 += at(1);
  add(to.a1, 2.0f * at(2), a.a1);
  add_contract_slope(to.a2, 2.0f * at(3), a.a2);
  for (int q = 0; q < 7; ++q) to.a3[q] += 2.0f * at(4) * a.a3[q];
  const auto quadratic = [](N s, const Matrix<N>& m, const Vector3<N>& v, Matrix<N>& to_m, Vector3<N>& to_v) {
    Vector3<N> scaled{};
    add(scaled, s, v);
    add_matrix_vector_slope(to_m, scaled, v);
    add(to_v, 2.0f * s, matrix_vector(m, v));
  };
  quadratic(at(5), a.a2, a.a1, to.a2, to.a1);
  if constexpr (!First) {
    add(to.a1, at(6), a.v);
    add(to.v, at(6), a.a1);
    add(to.v, 2.0f * at(7), a.v);
    add_contract_slope(to.a2, at(8), a.m);
    add_contract_slope(to.m, at(8), a.a2);
    add_contract_slope(to.m, 2.0f * at(9), a.m);
    add(to.own_vector, at(10), a.a1);
    add(to.a1, at(10), a.own_vector);
    add_contract_slope(to.own_matrix, at(11), a.a2);
    add_contract_slope(to.a2, at(11), a.own_matrix);
    quadratic(at(12), a.a2, a.v, to.a2, to.v);
    quadratic(at(13), a.m, a.a1, to.m, to.a1);
  }
}

// The same by those of its vectors and matrices.
template <bool First, typename N>
inline void add_products_slope(const Atom<N>& a, Pointer<N> vectors, int64_t vector_stride, Pointer<N> matrices,
                               int64_t matrix_stride, int64_t C, Atom<N>& to) {
  const auto vector = [&](int q) { return load_vector(vectors + q * C, vector_stride); };
  const auto matrix = [&](int q) { return load_matrix(matrices + q * C, matrix_stride); };
  const auto product = [](const Vector3<N>& g, const Matrix<N>& m, const Vector3<N>& v, Matrix<N>& to_m, Vector3<N>& to_v) {
    add_matrix_vector_slope(to_m, g, v);
    add(to_v, matrix_vector(m, g));
  };
  add(to.a1, vector(0));
  product(vector(1), a.a2, a.a1, to.a2, to.a1);
  add(to.a2, matrix(0));
  add(to.a1, N(splat(2.0f)), matrix_vector(traceless_cotangent(matrix(1)), a.a1));
  const Matrix<N> square = anticommutator(a.a2, traceless_cotangent(matrix(2)));
  add(to.a2, square);
  add(to.a2, square);
  if constexpr (!First) {
    add(to.v, vector(2));
    product(vector(3), a.a2, a.v, to.a2, to.v);
    product(vector(4), a.m, a.a1, to.m, to.a1);
    add(to.own_vector, vector(5));
    add(to.m, matrix(3));
    const Matrix<N> mixed = traceless_cotangent(matrix(4));
    add(to.a1, matrix_vector(mixed, a.v));
    add(to.v, matrix_vector(mixed, a.a1));
    const Matrix<N> between = traceless_cotangent(matrix(5));
    add(to.a2, anticommutator(a.m, between));
    add(to.m, anticommutator(a.a2, between));
    add(to.own_matrix, matrix(6));
  }
}

// y = silu(x), or y *= silu'(x), for `count` numbers.
template <typename P>
inline void apply_silu(P x, int64_t count, P y) {
  for (int64_t i = 0; i < count; i += W) store(y + i, silu(load(x + i)));
}

template <typename P>
inline void multiply_by_silu_slope(P x, int64_t count, P y) {
  for (int64_t i = 0; i < count; i += W) store(y + i, load(y + i) * silu_slope(load(x + i)));
}

}  // namespace adiabat
