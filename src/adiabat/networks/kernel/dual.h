// Dual numbers, v + d e with e e = 0: d is the derivative of v along a direction. What is written for numbers in
// general works for vectors of floats and for these alike; Kind says what goes with them.
//
// Training needs the derivative by the weights of c = sum_i (a_i E_i + b_i E'_i), E' being the change of an energy
// when the edges move. The reverse sweep over dual numbers gives it: started with b_i + a_i e, it leaves the
// derivative by a weight, which itself does not move, in the d of the weight's cotangent.
#pragma once

#include <utility>

#include "vector.h"

namespace adiabat {

struct DualScalar {
  float v, d;
};

inline DualScalar operator*(DualScalar a, DualScalar b) { return {a.v * b.v, a.v * b.d + a.d * b.v}; }

struct Dual {
  Vec v, d;

  Dual() = default;
  Dual(Vec value) : v(value), d{} {}
  Dual(Vec value, Vec change) : v(value), d(change) {}
};

inline Dual operator+(Dual a, Dual b) { return {a.v + b.v, a.d + b.d}; }
inline Dual operator-(Dual a, Dual b) { return {a.v - b.v, a.d - b.d}; }
inline Dual operator*(Dual a, Dual b) { return {a.v * b.v, a.v * b.d + a.d * b.v}; }
inline Dual operator*(Dual a, Vec b) { return {a.v * b, a.d * b}; }
inline Dual operator*(Vec a, Dual b) { return b * a; }
inline Dual operator*(Dual a, float s) { return {a.v * s, a.d * s}; }
inline Dual operator*(float s, Dual a) { return a * s; }
inline Dual operator*(DualScalar s, Dual a) { return {s.v * a.v, s.v * a.d + s.d * a.v}; }
inline Dual operator*(DualScalar s, Vec a) { return {s.v * a, s.d * a}; }
inline Dual& operator+=(Dual& a, Dual b) { return a = a + b; }
inline Dual& operator-=(Dual& a, Dual b) { return a = a - b; }
inline Dual& operator*=(Dual& a, float s) { return a = a * s; }

inline Dual silu(Dual x) { return {silu(x.v), silu_slope(x.v) * x.d}; }

inline Dual silu_slope(Dual x) {
  const Vec s = sigmoid(x.v);
  return {s * (1.0f + x.v * (1.0f - s)), s * (1.0f - s) * (2.0f + x.v * (1.0f - 2.0f * s)) * x.d};
}

// Where dual numbers stand: the v of consecutive ones, and `apart` floats further on their d.
struct DualPointer {
  float* p;
  int64_t apart;

  DualPointer operator+(int64_t offset) const { return {p + offset, apart}; }
  float* change() const { return p + apart; }
};

inline Dual load(DualPointer at) { return {load(at.p), load(at.change())}; }

inline void store(DualPointer at, Dual x) {
  store(at.p, x.v);
  store(at.change(), x.d);
}

inline void add_to(DualPointer at, Dual x) { store(at, load(at) + x); }

inline float scalar(const float* at) { return *at; }
inline DualScalar scalar(DualPointer at) { return {*at.p, *at.change()}; }

inline void copy(const float* from, int64_t count, float* to) { std::memcpy(to, from, 4 * count); }
inline void clear(float* at, int64_t count) { std::memset(at, 0, 4 * count); }

inline void copy(DualPointer from, int64_t count, DualPointer to) {
  copy(from.p, count, to.p);
  copy(from.change(), count, to.change());
}

inline void clear(DualPointer at, int64_t count) {
  clear(at.p, count);
  clear(at.change(), count);
}

template <typename N>
struct Kind;

template <>
struct Kind<Vec> {
  static constexpr bool dual = false;
  static constexpr int planes = 1;
  using Scalar = float;
  using Pointer = float*;
  static Pointer at(float* begin, int64_t) { return begin; }
};

template <>
struct Kind<Dual> {
  static constexpr bool dual = true;
  static constexpr int planes = 2;
  using Scalar = DualScalar;
  using Pointer = DualPointer;
  static Pointer at(float* begin, int64_t apart) { return {begin, apart}; }
};

template <typename N>
using Pointer = typename Kind<N>::Pointer;

// The kind of numbers that stand at a pointer of type P.
template <typename P>
using NumberAt = decltype(load(std::declval<P>()));

}  // namespace adiabat
