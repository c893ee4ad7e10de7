// Where the numbers are: the sizes of a network, its weights in one buffer (packed by packing.py in the same
// order), and what the forward pass leaves for the backward pass.
#pragma once

#include <cstdint>
#include <vector>

#include "dual.h"
#include "order.h"

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
  int64_t features(int64_t t) const { return last(t) ? 1 : FEATURES; }
  int64_t outputs(int64_t t) const { return last(t) ? 1 : 3; }
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

// The weights, T being const float, or their cotangents in a buffer like theirs.
template <typename T>
struct Weights {
  // A matrix and its transpose, each in rows of its outputs. The transpose of a cotangent is not used.
  struct Map {
    T *weight, *transpose;
  };

  struct Round {
    T* table;          // (knots + 3, sets, C)
    T* receiver;       // (sets, elements, C)
    Map inner, outer;  // perceptron on the invariants
    T *inner_bias, *outer_bias;
    Map vectors, matrices;  // unless last
    Map sent[3];            // unless first: scalars, vectors, matrices
  };

  T* embedding;                   // (elements, C)
  T* first_sent;                  // (elements, C): what atoms send in the first round
  T* constant;                    // (elements), padded to 16
  Map readout;                    // (interactions C, C)
  T *readout_bias, *readout_out;  // (C)
  std::vector<Round> rounds;
  int64_t size;

  Weights(T* begin, const Sizes& s) : rounds(s.interactions) {
    const int64_t C = s.channels;
    Cursor<T> cursor{begin};
    auto map = [&](int64_t n_in, int64_t n_out) {
      T* weight = cursor.take(n_in * n_out);
      return Map{weight, cursor.take(n_in * n_out)};
    };
    embedding = cursor.take(s.elements * C);
    first_sent = cursor.take(s.elements * C);
    constant = cursor.take(padded(s.elements));
    readout = map(s.interactions * C, C);
    readout_bias = cursor.take(C);
    readout_out = cursor.take(C);
    for (int64_t t = 0; t < s.interactions; ++t) {
      Round& r = rounds[t];
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

// Arrays of numbers N over the atoms, one after the other in each plane of a buffer; see Cursor.
template <typename N>
struct AtomArrays {
  Cursor<float> cursor;
  int64_t apart;

  Pointer<N> take(int64_t count) { return Kind<N>::at(cursor.take(count), apart); }
};

// What one round leaves behind, each as (n_atoms, components, C).
template <typename N>
struct RoundTape {
  Pointer<N> raw;       // sums over the neighbors, kept for the derivative by the weights only
  Pointer<N> sums;      // the same with the receiver's weights
  Pointer<N> inner;     // (n_atoms, hidden): before the SiLU
  Pointer<N> gates;     // unless last: of vectors and matrices
  Pointer<N> mixed;     // unless last: vectors and matrices before the gates
  Pointer<N> features;  // after the round
  Pointer<N> sent;      // unless last: what neighbors receive in the next
};

template <typename N>
struct Tape {
  std::vector<RoundTape<N>> rounds;
  Pointer<N> readout;  // (n_atoms, C): before the SiLU
  Pointer<N> layers;   // (n_atoms, interactions, C): room for the cotangents of the scalars of each round
  int64_t size;        // of a plane

  Tape(float* begin, const Sizes& s, int64_t n_atoms, int64_t plane = 0) : rounds(s.interactions) {
    const int64_t unit = n_atoms * s.channels;
    AtomArrays<N> arrays{{begin}, plane};
    for (int64_t t = 0; t < s.interactions; ++t) {
      RoundTape<N>& r = rounds[t];
      r.raw = arrays.take(Kind<N>::dual ? s.sums(t) * unit : 0);
      r.sums = arrays.take(s.sums(t) * unit);
      r.inner = arrays.take(n_atoms * s.hidden);
      r.features = arrays.take(s.features(t) * unit);
      r.gates = arrays.take(s.last(t) ? 0 : 2 * unit);
      r.mixed = arrays.take(s.last(t) ? 0 : (FEATURES - 1) * unit);
      r.sent = arrays.take(s.last(t) ? 0 : FEATURES * unit);
    }
    readout = arrays.take(unit);
    layers = arrays.take(s.interactions * unit);
    size = arrays.cursor.used;
  }
};

// Cotangents that one phase of the backward pass leaves for the next. Floats take the places of the numbers that they
// are of, which an atom reads for the last time just before: what is not written anew need not be fetched. Dual numbers
// have places of their own, as the derivative by the weights asks for the numbers again.
template <typename N>
struct Cotangents {
  std::vector<Pointer<N>> sums;      // of each round, receiver's weights included: neighbors read them
  std::vector<Pointer<N>> features;  // of an atom's own features after each round, as far as they are known
  Pointer<N> layers;                 // (n_atoms, interactions, C): of the scalars of each round, by the readout
  int64_t size;                      // of a plane, beside the tape

  Cotangents(const Tape<N>& tape, float* begin, const Sizes& s, int64_t n_atoms, int64_t plane = 0)
      : layers(tape.layers) {
    const int64_t unit = n_atoms * s.channels;
    AtomArrays<N> arrays{{begin}, plane};
    for (int64_t t = 0; t < s.interactions; ++t) {
      sums.push_back(Kind<N>::dual ? arrays.take(s.sums(t) * unit) : tape.rounds[t].sums);
      features.push_back(Kind<N>::dual ? arrays.take(s.features(t) * unit) : tape.rounds[t].features);
    }
    size = arrays.cursor.used;
  }
};

// The structure, as XLA hands it over, and the order in which its atoms are worked on.
struct Graph {
  int64_t n_atoms, columns;
  const Order& order;
  const float* vectors;   // (n_atoms, columns, 3)
  const float* envelope;  // (n_atoms, columns)
  const int32_t* index;
  const int32_t* reverse;
  // A direction in which the edges move, in dual numbers: that of an edge's reverse is opposite.
  const float* vector_changes = nullptr;
  const float* envelope_changes = nullptr;

  // Of the atom at a place: the number of its first edge.
  int64_t first_edge(int64_t place) const { return int64_t(order.atoms[place]) * columns; }
};

}  // namespace adiabat
