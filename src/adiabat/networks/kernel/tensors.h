// Products of vectors and symmetric traceless matrices (xx, yy, zz, xy, xz, yz), as in networks/tensors.py, and
// what their derivatives need.
#pragma once

#include "vector.h"

namespace adiabat {

struct Vector3 {
  Vec x[3];
};

struct Matrix {
  Vec x[6];
};

inline Vector3 load_vector(const float* p, int64_t stride) {
  Vector3 a;
  for (int q = 0; q < 3; ++q) a.x[q] = load(p + q * stride);
  return a;
}

inline Matrix load_matrix(const float* p, int64_t stride) {
  Matrix a;
  for (int q = 0; q < 6; ++q) a.x[q] = load(p + q * stride);
  return a;
}

inline void store(float* p, int64_t stride, const Vector3& a) {
  for (int q = 0; q < 3; ++q) store(p + q * stride, a.x[q]);
}

inline void store(float* p, int64_t stride, const Matrix& a) {
  for (int q = 0; q < 6; ++q) store(p + q * stride, a.x[q]);
}

// to += s a
inline void add(Vector3& to, Vec s, const Vector3& a) {
  for (int q = 0; q < 3; ++q) to.x[q] += s * a.x[q];
}

inline void add(Vector3& to, const Vector3& a) {
  for (int q = 0; q < 3; ++q) to.x[q] += a.x[q];
}

inline void add(Matrix& to, const Matrix& a) {
  for (int q = 0; q < 6; ++q) to.x[q] += a.x[q];
}

inline Vec dot(const Vector3& a, const Vector3& b) {
  return a.x[0] * b.x[0] + a.x[1] * b.x[1] + a.x[2] * b.x[2];
}

// a : b, the trace of the matrix product.
inline Vec contract(const Matrix& a, const Matrix& b) {
  return a.x[0] * b.x[0] + a.x[1] * b.x[1] + a.x[2] * b.x[2] +
         2.0f * (a.x[3] * b.x[3] + a.x[4] * b.x[4] + a.x[5] * b.x[5]);
}

// to += s d(a : b)/da. An element off the diagonal stands in the matrix twice.
inline void add_contract_slope(Matrix& to, Vec s, const Matrix& b) {
  const Vec twice = 2.0f * s;
  for (int q = 0; q < 3; ++q) to.x[q] += s * b.x[q];
  for (int q = 3; q < 6; ++q) to.x[q] += twice * b.x[q];
}

inline Vector3 matrix_vector(const Matrix& m, const Vector3& v) {
  return {{m.x[0] * v.x[0] + m.x[3] * v.x[1] + m.x[4] * v.x[2],
           m.x[3] * v.x[0] + m.x[1] * v.x[1] + m.x[5] * v.x[2],
           m.x[4] * v.x[0] + m.x[5] * v.x[1] + m.x[2] * v.x[2]}};
}

// to += d(g · m v)/dm
inline void add_matrix_vector_slope(Matrix& to, const Vector3& g, const Vector3& v) {
  for (int q = 0; q < 3; ++q) to.x[q] += g.x[q] * v.x[q];
  to.x[3] += g.x[0] * v.x[1] + g.x[1] * v.x[0];
  to.x[4] += g.x[0] * v.x[2] + g.x[2] * v.x[0];
  to.x[5] += g.x[1] * v.x[2] + g.x[2] * v.x[1];
}

// The symmetric traceless part of the outer product.
inline Matrix outer(const Vector3& a, const Vector3& b) {
  const Vec third = dot(a, b) * (1.0f / 3.0f);
  return {{a.x[0] * b.x[0] - third, a.x[1] * b.x[1] - third, a.x[2] * b.x[2] - third,
           0.5f * (a.x[0] * b.x[1] + a.x[1] * b.x[0]), 0.5f * (a.x[0] * b.x[2] + a.x[2] * b.x[0]),
           0.5f * (a.x[1] * b.x[2] + a.x[2] * b.x[1])}};
}

// a b + b a, the diagonal halved.
inline Matrix anticommutator(const Matrix& a, const Matrix& b) {
  return {{a.x[0] * b.x[0] + a.x[3] * b.x[3] + a.x[4] * b.x[4],
           a.x[3] * b.x[3] + a.x[1] * b.x[1] + a.x[5] * b.x[5],
           a.x[4] * b.x[4] + a.x[5] * b.x[5] + a.x[2] * b.x[2],
           a.x[0] * b.x[3] + a.x[3] * b.x[1] + a.x[4] * b.x[5] + b.x[0] * a.x[3] + b.x[3] * a.x[1] + b.x[4] * a.x[5],
           a.x[0] * b.x[4] + a.x[3] * b.x[5] + a.x[4] * b.x[2] + b.x[0] * a.x[4] + b.x[3] * a.x[5] + b.x[4] * a.x[2],
           a.x[3] * b.x[4] + a.x[1] * b.x[5] + a.x[5] * b.x[2] + b.x[3] * a.x[4] + b.x[1] * a.x[5] + b.x[5] * a.x[2]}};
}

// The symmetric traceless part of the matrix product.
inline Matrix matrix_product(const Matrix& a, const Matrix& b) {
  Matrix p = anticommutator(a, b);
  const Vec third = (p.x[0] + p.x[1] + p.x[2]) * (1.0f / 3.0f);
  for (int q = 0; q < 3; ++q) p.x[q] -= third;
  for (int q = 3; q < 6; ++q) p.x[q] *= 0.5f;
  return p;
}

// The cotangent of a symmetric traceless product as a matrix G, with which
// d(g, outer(a, b))/da = G b and d(g, matrix_product(a, b))/da = anticommutator(b, G).
inline Matrix traceless_cotangent(const Matrix& g) {
  const Vec third = (g.x[0] + g.x[1] + g.x[2]) * (1.0f / 3.0f);
  return {{g.x[0] - third, g.x[1] - third, g.x[2] - third, 0.5f * g.x[3], 0.5f * g.x[4], 0.5f * g.x[5]}};
}

}  // namespace adiabat
