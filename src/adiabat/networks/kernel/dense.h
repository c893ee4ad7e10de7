// Small matrix products: rows of features times weights that stay in the cache.
#pragma once

#include <cstdint>

#include "dual.h"

namespace adiabat {

// Atoms whose features are multiplied together, so that the weights are read once for all of them.
constexpr int BLOCK = 8;

namespace detail {

template <int N>
inline void multiply_columns(const float* x, int64_t n_in, const float* weight, int64_t n_out, const float* bias,
                             float* y, int64_t y_stride) {
  Vec sums[BLOCK][N];
  for (int n = 0; n < N; ++n) {
    const Vec start = bias ? load(bias + n * W) : Vec{};
    for (int b = 0; b < BLOCK; ++b) sums[b][n] = start;
  }
  for (int64_t i = 0; i < n_in; ++i) {
    Vec row[N];
    for (int n = 0; n < N; ++n) row[n] = load(weight + i * n_out + n * W);
    for (int b = 0; b < BLOCK; ++b)
      for (int n = 0; n < N; ++n) sums[b][n] += x[b * n_in + i] * row[n];
  }
  for (int b = 0; b < BLOCK; ++b)
    for (int n = 0; n < N; ++n) store(y + b * y_stride + n * W, sums[b][n]);
}

}  // namespace detail

// y = x weight + bias for `rows` rows, a multiple of BLOCK; the bias may be absent. n_out is a multiple of W.
inline void multiply(const float* x, int64_t rows, int64_t n_in, const float* weight, int64_t n_out,
                     const float* bias, float* y) {
  constexpr int N = W == 16 ? 2 : 1;  // as many accumulators as there are registers for
  for (int64_t row = 0; row < rows; row += BLOCK) {
    const float* from = x + row * n_in;
    float* to = y + row * n_out;
    int64_t o = 0;
    for (; o + N * W <= n_out; o += N * W)
      detail::multiply_columns<N>(from, n_in, weight + o, n_out, bias ? bias + o : nullptr, to + o, n_out);
    for (; o < n_out; o += W)
      detail::multiply_columns<1>(from, n_in, weight + o, n_out, bias ? bias + o : nullptr, to + o, n_out);
  }
}

inline void multiply(DualPointer x, int64_t rows, int64_t n_in, const float* weight, int64_t n_out, const float* bias,
                     DualPointer y) {
  multiply(x.p, rows, n_in, weight, n_out, bias, y.p);
  multiply(x.change(), rows, n_in, weight, n_out, nullptr, y.change());
}

namespace detail {

// The same for I rows of the weight and W of its columns. Sums of their own for both halves of the product, so that
// each step is a multiply-add; several rows of the weight, so that those of y are read once for all.
template <int I>
inline void add_slope_of_rows(const float* x_v, const float* x_d, int64_t rows, int64_t n_in, DualPointer y,
                              float* weight, int64_t n_out) {
  Vec by_v[I] = {}, by_d[I] = {};
  for (int64_t b = 0; b < rows; ++b) {
    const Dual g = load(y + b * n_out);
    for (int i = 0; i < I; ++i) {
      by_v[i] += x_v[b * n_in + i] * g.d;
      by_d[i] += x_d[b * n_in + i] * g.v;
    }
  }
  for (int i = 0; i < I; ++i) add_to(weight + i * n_out, by_v[i] + by_d[i]);
}

}  // namespace detail

// The cotangents of weight and bias, given those of y, for up to BLOCK rows. No bias where it is null.
inline void add_weight_slope(DualPointer x, int64_t rows, int64_t n_in, DualPointer y, int64_t n_out, float* weight,
                             float* bias) {
  constexpr int I = 4;
  for (int64_t o = 0; o < n_out; o += W) {
    if (bias)
      for (int64_t b = 0; b < rows; ++b) add_to(bias + o, load(y + b * n_out + o).d);
    int64_t i = 0;
    for (; i + I <= n_in; i += I)
      detail::add_slope_of_rows<I>(x.p + i, x.change() + i, rows, n_in, y + o, weight + i * n_out + o, n_out);
    for (; i < n_in; ++i)
      detail::add_slope_of_rows<1>(x.p + i, x.change() + i, rows, n_in, y + o, weight + i * n_out + o, n_out);
  }
}

}  // namespace adiabat
