// Where the numbers are: the sizes of a network, its weights in one buffer (packed by packing.py in the same
// order), and what the forward pass leaves for the backward pass.
#pragma once

#include <cstdint>
#include <vector>

namespace adiabat {

// Components of a feature: scalars 1, vectors 3, matrices 6; of the sums in the first round and in later ones.
constexpr int FEATURES = 10;
constexpr int FIRST_SUMS = 1 + 3 + 6 + 7, SUMS = FIRST_SUMS + 3 + 6;
// Sets of radial functions, invariants, and the vectors and matrices that are mixed.
constexpr int FIRST_SETS = 4, SETS = 6;
constexpr int FIRST_INVARIANTS = 6, INVARIANTS = 14;
constexpr int FIRST_VECTORS = 2, VECTORS = 6;
constexpr int FIRST_MATRICES = 3, MATRICES = 7;

struct Sizes {
  int64_t interactions;
  int64_t channels;  // C below; a multiple of 16, like all other widths
  int64_t hidden;    // of the perceptrons on invariants
  int64_t elements;
  int64_t knots;     // intervals of the radial tables

  bool first(int64_t t) const { return t == 0; }
  bool last(int64_t t) const { return t == interactions - 1; }
  int64_t sums(int64_t t) const { return first(t) ? FIRST_SUMS : SUMS; }
  int64_t sets(int64_t t) const { return first(t) ? FIRST_SETS : SETS; }
  int64_t invariants(int64_t t) const { return first(t) ? FIRST_INVARIANTS : INVARIANTS; }
  int64_t vectors(int64_t t) const { return first(t) ? FIRST_VECTORS : VECTORS; }
  int64_t matrices(int64_t t) const { return first(t) ? FIRST_MATRICES : MATRICES; }
  int64_t outputs(int64_t t) const { return last(t) ? 1 : 3; }
};

// A weight matrix and its transpose, each in rows of its outputs.
struct Map {
  const float* weight;
  const float* transpose;
};

struct RoundWeights {
  const float* table;     // (knots + 3, sets, C)
  const float* receiver;  // (sets, elements, C)
  Map inner, outer;       // perceptron on the invariants
  const float *inner_bias, *outer_bias;
  Map vectors, matrices;  // unless last
  Map sent[3];            // unless first: scalars, vectors, matrices
};

// Hands out consecutive parts of a buffer; with a null pointer it only counts.
template <typename T>
struct Cursor {
  T* begin;
  int64_t used = 0;

  T* take(int64_t count) {
    T* part = begin ? begin + used : nullptr;
    used += count;
    return part;
  }
};

struct Weights {
  const float* embedding;   // (elements, C)
  const float* first_sent;  // (elements, C): what atoms send in the first round
  const float* constant;    // (elements), padded to 16
  Map readout;              // (interactions C, C)
  const float *readout_bias, *readout_out;  // (C)
  std::vector<RoundWeights> rounds;
  int64_t size;

  Weights(const float* begin, const Sizes& s) : rounds(s.interactions) {
    const int64_t C = s.channels;
    Cursor<const float> cursor{begin};
    auto map = [&](int64_t n_in, int64_t n_out) {
      const float* weight = cursor.take(n_in * n_out);
      return Map{weight, cursor.take(n_in * n_out)};
    };
    embedding = cursor.take(s.elements * C);
    first_sent = cursor.take(s.elements * C);
    constant = cursor.take((s.elements + 15) / 16 * 16);
    readout = map(s.interactions * C, C);
    readout_bias = cursor.take(C);
    readout_out = cursor.take(C);
    for (int64_t t = 0; t < s.interactions; ++t) {
      RoundWeights& r = rounds[t];
      r.table = cursor.take((s.knots + 3) * s.sets(t) * C);
      r.receiver = cursor.take(s.sets(t) * s.elements * C);
      r.inner = map(s.invariants(t) * C, s.hidden);
      r.inner_bias = cursor.take(s.hidden);
      r.outer = map(s.hidden, s.outputs(t) * C);
      r.outer_bias = cursor.take(s.outputs(t) * C);
      if (!s.last(t)) {
        r.vectors = map(s.vectors(t) * C, C);
        r.matrices = map(s.matrices(t) * C, C);
      }
      if (!s.first(t))
        for (Map& sent : r.sent) sent = map(C, C);
    }
    size = cursor.used;
  }
};

// What one round leaves behind, each as (n_atoms, components, C).
struct RoundTape {
  float* sums;      // over the neighbors, receiver's weights included
  float* inner;     // (n_atoms, hidden): before the SiLU
  float* gates;     // unless last: of vectors and matrices
  float* mixed;     // unless last: vectors and matrices before the gates
  float* features;  // after the round
  float* sent;      // unless last: what neighbors receive in the next
};

struct Tape {
  std::vector<RoundTape> rounds;
  float* readout;  // (n_atoms, C): before the SiLU
  int64_t size;

  Tape(float* begin, const Sizes& s, int64_t n_atoms) : rounds(s.interactions) {
    const int64_t unit = n_atoms * s.channels;
    Cursor<float> cursor{begin};
    for (int64_t t = 0; t < s.interactions; ++t) {
      RoundTape& r = rounds[t];
      r.sums = cursor.take(s.sums(t) * unit);
      r.inner = cursor.take(n_atoms * s.hidden);
      r.features = cursor.take((s.last(t) ? 1 : FEATURES) * unit);
      r.gates = r.mixed = r.sent = nullptr;
      if (s.last(t)) continue;
      r.gates = cursor.take(2 * unit);
      r.mixed = cursor.take((FEATURES - 1) * unit);
      r.sent = cursor.take(FEATURES * unit);
    }
    readout = cursor.take(unit);
    size = cursor.used;
  }
};

// Cotangents that one phase of the backward pass leaves for the next.
struct Cotangents {
  std::vector<float*> sums;  // of each round, receiver's weights included: neighbors read them
  float* features;           // (n_atoms, FEATURES, C): of an atom's own features, as far as they are known
  float* layers;             // (n_atoms, interactions, C): of the scalars of each round, by the readout
  int64_t size;

  Cotangents(float* begin, const Sizes& s, int64_t n_atoms) : sums(s.interactions) {
    const int64_t unit = n_atoms * s.channels;
    Cursor<float> cursor{begin};
    for (int64_t t = 0; t < s.interactions; ++t) sums[t] = cursor.take(s.sums(t) * unit);
    features = cursor.take(FEATURES * unit);
    layers = cursor.take(s.interactions * unit);
    size = cursor.used;
  }
};

// The structure, as XLA hands it over.
struct Graph {
  int64_t n_atoms, columns;
  const int32_t* species;
  const float* vectors;   // (n_atoms, columns, 3)
  const float* envelope;  // (n_atoms, columns)
  const int32_t* index;
  const int32_t* reverse;
};

}  // namespace adiabat
