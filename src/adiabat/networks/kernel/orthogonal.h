// Orthogonal factors of small matrices by an odd quintic iteration, as in training/muon.py.
#pragma once

#include <cmath>
#include <vector>

#include "dense.h"

namespace adiabat {

// y = the factor of x, both (rows, columns). The polynomials a + b g + c g g of the smaller Gram matrix g commute:
// they are multiplied up and applied to x at the end.
inline void orthogonal_factor(const float* x, int64_t rows, int64_t columns, const float* quintic, int64_t iterations,
                              float* y) {
  const bool tall = rows > columns;
  const int64_t R = padded(rows), C = padded(columns), S = tall ? C : R;
  static thread_local std::vector<float> memory;
  memory.assign(3 * R * C + 5 * S * S, 0.0f);
  float *whole = memory.data(), *transpose = whole + R * C, *result = transpose + R * C, *gram = result + R * C,
        *square = gram + S * S, *polynomial = square + S * S, *product = polynomial + S * S, *next = product + S * S;
  double size = 0.0;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      const float value = x[i * columns + j];
      whole[i * C + j] = transpose[j * R + i] = value;
      size += double(value) * value;
    }
  const float over = 1.0f / (std::sqrt(float(size)) + 1e-8f);
  if (tall)
    multiply(transpose, C, R, whole, C, nullptr, gram);
  else
    multiply(whole, R, C, transpose, R, nullptr, gram);
  for (int64_t i = 0; i < S * S; ++i) gram[i] *= over * over;
  for (int64_t step = 0; step < iterations; ++step) {
    multiply(gram, S, S, gram, S, nullptr, square);
    for (int64_t i = 0; i < S * S; ++i) polynomial[i] = quintic[1] * gram[i] + quintic[2] * square[i];
    for (int64_t i = 0; i < S; ++i) polynomial[i * S + i] += quintic[0];
    if (step == 0) {
      copy(polynomial, S * S, product);
    } else {
      multiply(polynomial, S, S, product, S, nullptr, next);
      std::swap(product, next);
    }
    if (step == iterations - 1) break;
    multiply(polynomial, S, S, gram, S, nullptr, square);
    multiply(square, S, S, polynomial, S, nullptr, gram);
  }
  if (tall)
    multiply(whole, R, C, product, C, nullptr, result);
  else
    multiply(product, R, R, whole, C, nullptr, result);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) y[i * columns + j] = over * result[i * C + j];
}

}  // namespace adiabat
