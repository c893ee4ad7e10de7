// Vectors of floats as wide as the processor has them, and the functions the network needs of them.
//
// Sums are written out in a fixed order and nothing is compiled with -ffast-math: an atom's numbers depend on
// its own environment, never on who else is in the batch.
#pragma once

#include <cstdint>
#include <cstring>

namespace adiabat {

#if defined(__AVX512F__)
#define ADIABAT_WIDTH 16
#elif defined(__AVX__)
#define ADIABAT_WIDTH 8
#else
#define ADIABAT_WIDTH 4
#endif

constexpr int W = ADIABAT_WIDTH;
// Widths are padded to a multiple of the widest vectors of any processor.
constexpr int64_t padded(int64_t width) { return (width + 15) / 16 * 16; }
typedef float Vec __attribute__((vector_size(ADIABAT_WIDTH * 4)));
typedef int32_t IntVec __attribute__((vector_size(ADIABAT_WIDTH * 4)));
typedef float Unaligned __attribute__((vector_size(ADIABAT_WIDTH * 4), aligned(4), may_alias));

inline Vec load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<Unaligned*>(p) = v; }
inline void add_to(float* p, Vec v) { store(p, load(p) + v); }
inline Vec splat(float x) { return Vec{} + x; }

// The sum of all lanes, by halves.
inline float sum(Vec v) {
  float lanes[W];
  std::memcpy(lanes, &v, sizeof(v));
  for (int half = W / 2; half > 0; half /= 2)
    for (int l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  return lanes[0];
}

// exp to two units in the last place; arguments are held within the range of normal numbers. NaN stays NaN.
inline Vec exp(Vec x) {
  const Vec lowest = splat(-87.0f), highest = splat(88.0f);
  x = x < lowest ? lowest : x;
  x = x > highest ? highest : x;
  // Adding 1.5 * 2^23 rounds to the nearest whole number, which then stands in the lowest bits.
  const Vec magic = splat(12582912.0f);
  const Vec shifted = x * 1.44269504f + magic;
  const IntVec exponent = (IntVec)shifted - (IntVec)magic;
  const Vec n = shifted - magic;
  const Vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Vec p = splat(1.9875691500e-4f);  // the polynomial of Cephes' expf
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * (Vec)((exponent + 127) << 23);
}

inline Vec sigmoid(Vec x) { return 1.0f / (1.0f + exp(-x)); }
inline Vec silu(Vec x) { return x * sigmoid(x); }

inline Vec silu_slope(Vec x) {
  const Vec s = sigmoid(x);
  return s * (1.0f + x * (1.0f - s));
}

}  // namespace adiabat
