// Products of vectors and symmetric traceless matrices (xx, yy, zz, xy, xz, yz), as in networks/tensors.py, and
// what their derivatives need.
#pragma once

#include "dual.h"

namespace adiabat {

template <typename N>
struct Vector3 {
  N x[3];
};

template <typename N>
struct Matrix {
  N x[6];
};

template <typename P>
inline Vector3<NumberAt<P>> load_vector(P p, int64_t stride) {
  Vector3<NumberAt<P>> a;
  for (int q = 0; q < 3; ++q) a.x[q] = load(p + q * stride);
  return a;
}

template <typename P>
inline Matrix<NumberAt<P>> load_matrix(P p, int64_t stride) {
  Matrix<NumberAt<P>> a;
  for (int q = 0; q < 6; ++q) a.x[q] = load(p + q * stride);
  return a;
}

template <typename P, typename N>
inline void store(P p, int64_t stride, const Vector3<N>& a) {
  for (int q = 0; q < 3; ++q) store(p + q * stride, a.x[q]);
}

template <typename P, typename N>
inline void store(P p, int64_t stride, const Matrix<N>& a) {
  for (int q = 0; q < 6; ++q) store(p + q * stride, a.x[q]);
}

// to += s a
template <typename N>
inline void add(Vector3<N>& to, N s, const Vector3<N>& a) {
  for (int q = 0; q < 3; ++q) to.x[q] += s * a.x[q];
}

template <typename N>
inline void add(Vector3<N>& to, const Vector3<N>& a) {
  for (int q = 0; q < 3; ++q) to.x[q] += a.x[q];
}

template <typename N>
inline void add(Matrix<N>& to, const Matrix<N>& a) {
  for (int q = 0; q < 6; ++q) to.x[q] += a.x[q];
}

template <typename N>
inline N dot(const Vector3<N>& a, const Vector3<N>& b) {
  return a.x[0] * b.x[0] + a.x[1] * b.x[1] + a.x[2] * b.x[2];
}

// a : b, the trace of the matrix product.
template <typename N>
inline N contract(const Matrix<N>& a, const Matrix<N>& b) {
  return a.x[0] * b.x[0] + a.x[1] * b.x[1] + a.x[2] * b.x[2] +
         2.0f * (a.x[3] * b.x[3] + a.x[4] * b.x[4] + a.x[5] * b.x[5]);
}

// to += s d(a : b)/da. An element off the diagonal stands in the matrix twice.
template <typename N>
inline void add_contract_slope(Matrix<N>& to, N s, const Matrix<N>& b) {
  const N twice = 2.0f * s;
  for (int q = 0; q < 3; ++q) to.x[q] += s * b.x[q];
  for (int q = 3; q < 6; ++q) to.x[q] += twice * b.x[q];
}

template <typename N>
inline Vector3<N> matrix_vector(const Matrix<N>& m, const Vector3<N>& v) {
  return {{m.x[0] * v.x[0] + m.x[3] * v.x[1] + m.x[4] * v.x[2],
           m.x[3] * v.x[0] + m.x[1] * v.x[1] + m.x[5] * v.x[2],
           m.x[4] * v.x[0] + m.x[5] * v.x[1] + m.x[2] * v.x[2]}};
}

// to += d(g · m v)/dm
template <typename N>
inline void add_matrix_vector_slope(Matrix<N>& to, const Vector3<N>& g, const Vector3<N>& v) {
  for (int q = 0; q < 3; ++q) to.x[q] += g.x[q] * v.x[q];
  to.x[3] += g.x[0] * v.x[1] + g.x[1] * v.x[0];
  to.x[4] += g.x[0] * v.x[2] + g.x[2] * v.x[0];
  to.x[5] += g.x[1] * v.x[2] + g.x[2] * v.x[1];
}

// The symmetric traceless part of the outer product.
template <typename N>
inline Matrix<N> outer(const Vector3<N>& a, const Vector3<N>& b) {
  const N third = dot(a, b) * (1.0f / 3.0f);
  return {{a.x[0] * b.x[0] - third, a.x[1] * b.x[1] - third, a.x[2] * b.x[2] - third,
           0.5f * (a.x[0] * b.x[1] + a.x[1] * b.x[0]), 0.5f * (a.x[0] * b.x[2] + a.x[2] * b.x[0]),
           0.5f * (a.x[1] * b.x[2] + a.x[2] * b.x[1])}};
}

// a b + b a, the diagonal halved.
template <typename N>
inline Matrix<N> anticommutator(const Matrix<N>& a, const Matrix<N>& b) {
  return {{a.x[0] * b.x[0] + a.x[3] * b.x[3] + a.x[4] * b.x[4],
           a.x[3] * b.x[3] + a.x[1] * b.x[1] + a.x[5] * b.x[5],
           a.x[4] * b.x[4] + a.x[5] * b.x[5] + a.x[2] * b.x[2],
           a.x[0] * b.x[3] + a.x[3] * b.x[1] + a.x[4] * b.x[5] + b.x[0] * a.x[3] + b.x[3] * a.x[1] + b.x[4] * a.x[5],
           a.x[0] * b.x[4] + a.x[3] * b.x[5] + a.x[4] * b.x[2] + b.x[0] * a.x[4] + b.x[3] * a.x[5] + b.x[4] * a.x[2],
           a.x[3] * b.x[4] + a.x[1] * b.x[5] + a.x[5] * b.x[2] + b.x[3] * a.x[4] + b.x[1] * a.x[5] + b.x[5] * a.x[2]}};
}

// The symmetric traceless part of the matrix product.
template <typename N>
inline Matrix<N> matrix_product(const Matrix<N>& a, const Matrix<N>& b) {
  Matrix<N> p = anticommutator(a, b);
  const N third = (p.x[0] + p.x[1] + p.x[2]) * (1.0f / 3.0f);
  for (int q = 0; q < 3; ++q) p.x[q] -= third;
  for (int q = 3; q < 6; ++q) p.x[q] *= 0.5f;
  return p;
}

// The cotangent of a symmetric traceless product as a matrix G, with which
// d(g, outer(a, b))/da = G b and d(g, matrix_product(a, b))/da = anticommutator(b, G).
template <typename N>
inline Matrix<N> traceless_cotangent(const Matrix<N>& g) {
  const N third = (g.x[0] + g.x[1] + g.x[2]) * (1.0f / 3.0f);
  return {{g.x[0] - third, g.x[1] - third, g.x[2] - third, 0.5f * g.x[3], 0.5f * g.x[4], 0.5f * g.x[5]}};
}

}  // namespace adiabat
