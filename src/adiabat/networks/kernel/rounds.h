// One round of messages, forward and backward, for one block of atoms.
#pragma once

#include <algorithm>

#include "edges.h"
#include "nodes.h"

namespace adiabat {

struct Model {
  Sizes sizes;
  Weights weights;
  float spacing;  // of the knots [Å]
};

// Memory of one thread, cut up anew for each block.
class Scratch {
 public:
  float* take(int64_t count) {
    float* part = cursor_.take((count + 15) / 16 * 16);
    return part;
  }

  // Room for whatever a block of this network needs.
  void reset(const Sizes& s) {
    const int64_t rows = BLOCK * s.channels;
    const int64_t needed = rows * (2 * INVARIANTS + s.interactions + 3 * VECTORS + 6 * MATRICES + 10 * FEATURES) +
                           4 * BLOCK * s.hidden + 256;
    if (int64_t(memory_.size()) < needed) memory_.assign(needed, 0.0f);
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    cursor_ = {memory_.data() + (64 - address % 64) % 64 / 4};
  }

 private:
  std::vector<float> memory_;
  Cursor<float> cursor_{nullptr};
};

struct Block {
  int64_t start, count;
};

// The set of radial functions that makes a component of the sums.
inline int64_t set_of(int64_t component) {
  constexpr int64_t ends[] = {1, 4, 10, 17, 20, 26};
  return std::upper_bound(ends, ends + 6, component) - ends;
}

inline Senders senders(const Model& model, const Graph& graph, const Tape& tape, int64_t t) {
  const int64_t C = model.sizes.channels;
  if (t == 0) return {model.weights.first_sent, graph.species, C};
  return {tape.rounds[t - 1].sent, nullptr, FEATURES * C};
}

// An atom's own features before round t.
inline const float* own_features(const Model& model, const Graph& graph, const Tape& tape, int64_t t, int64_t i) {
  const int64_t C = model.sizes.channels;
  if (t == 0) return model.weights.embedding + graph.species[i] * C;
  return tape.rounds[t - 1].features + i * FEATURES * C;
}

// Sums times the weights of the receiving element, or their cotangents.
inline void weigh(const Model& model, const Graph& graph, int64_t t, int64_t i, float* sums) {
  const Sizes& s = model.sizes;
  for (int64_t m = 0; m < s.sums(t); ++m) {
    const int64_t row = set_of(m) * s.elements + graph.species[i];
    const float* weight = model.weights.rounds[t].receiver + row * s.channels;
    for (int64_t c = 0; c < s.channels; c += W)
      store(sums + m * s.channels + c, load(sums + m * s.channels + c) * load(weight + c));
  }
}

template <bool First>
void sum_messages(const Model& model, const Graph& graph, const Tape& tape, int64_t t, Block block) {
  const Sizes& s = model.sizes;
  const Senders from = senders(model, graph, tape, t);
  Edges edges;
  for (int64_t i = block.start; i < block.start + block.count; ++i) {
    float* sums = tape.rounds[t].sums + i * s.sums(t) * s.channels;
    std::fill(sums, sums + s.sums(t) * s.channels, 0.0f);
    for (int64_t k = 0; k < graph.columns;) {
      k = edges.collect(graph, i, k, false);
      if (edges.count == 0) continue;
      edges.fill(s, model.spacing);
      with_constant(s.channels, [&](auto channels) {
        receive<First, channels>(edges, model.weights.rounds[t].table, from, s.channels, sums);
      });
    }
    weigh(model, graph, t, i, sums);
  }
}

// Rows by atom (n, components, C) to rows by component and atom (components, BLOCK, C), and back.
inline void by_component(const float* rows, int64_t count, int64_t components, int64_t C, float* to) {
  for (int64_t b = 0; b < count; ++b)
    for (int64_t q = 0; q < components; ++q)
      std::copy_n(rows + (b * components + q) * C, C, to + (q * BLOCK + b) * C);
}

inline void by_atom(const float* rows, int64_t count, int64_t components, int64_t C, float* to) {
  for (int64_t b = 0; b < count; ++b)
    for (int64_t q = 0; q < components; ++q)
      std::copy_n(rows + (q * BLOCK + b) * C, C, to + (b * components + q) * C);
}

// y (FEATURES, BLOCK, C) = x times the maps of scalars, vectors and matrices.
inline void map_features(const float* x, const float* const weights[3], int64_t C, float* y) {
  const int64_t begin[] = {0, BLOCK, 4 * BLOCK}, rows[] = {BLOCK, 3 * BLOCK, 6 * BLOCK};
  for (int rank = 0; rank < 3; ++rank)
    multiply(x + begin[rank] * C, rows[rank], C, weights[rank], C, nullptr, y + begin[rank] * C);
}

// The features after round t from its sums.
template <bool First>
void update_features(const Model& model, const Graph& graph, const Tape& tape, int64_t t, Block block,
                     Scratch& scratch) {
  const Sizes& s = model.sizes;
  const int64_t C = s.channels, n_in = s.invariants(t) * C, n_out = s.outputs(t) * C;
  const int64_t vector_row = s.vectors(t) * C, matrix_row = s.matrices(t) * C;
  const bool last = s.last(t);
  const RoundWeights& w = model.weights.rounds[t];
  const RoundTape& left = tape.rounds[t];
  scratch.reset(s);
  float* in = scratch.take(BLOCK * n_in);
  float* vectors = scratch.take(last ? 0 : 3 * BLOCK * vector_row);
  float* matrices = scratch.take(last ? 0 : 6 * BLOCK * matrix_row);
  for (int64_t b = 0; b < block.count; ++b) {
    const int64_t i = block.start + b;
    const float* own = own_features(model, graph, tape, t, i);
    for (int64_t c = 0; c < C; c += W) {
      const Atom atom = load_atom<First>(left.sums + i * s.sums(t) * C + c, own + c, C);
      invariants<First>(atom, in + b * n_in + c, C);
      if (last) continue;
      products<First>(atom, vectors + b * vector_row + c, BLOCK * vector_row, matrices + b * matrix_row + c,
                      BLOCK * matrix_row, C);
    }
  }
  float* inner = scratch.take(BLOCK * s.hidden);
  float* change = scratch.take(BLOCK * n_out);
  multiply(in, BLOCK, n_in, w.inner.weight, s.hidden, w.inner_bias, inner);
  std::copy_n(inner, block.count * s.hidden, left.inner + block.start * s.hidden);
  apply_silu(inner, BLOCK * s.hidden, inner);
  multiply(inner, BLOCK, s.hidden, w.outer.weight, n_out, w.outer_bias, change);
  if (last) {
    for (int64_t b = 0; b < block.count; ++b) {
      const float* own = own_features(model, graph, tape, t, block.start + b);
      for (int64_t c = 0; c < C; c += W)
        store(left.features + (block.start + b) * C + c, load(own + c) + load(change + b * C + c));
    }
    return;
  }
  float* mixed = scratch.take((FEATURES - 1) * BLOCK * C);
  multiply(vectors, 3 * BLOCK, vector_row, w.vectors.weight, C, nullptr, mixed);
  multiply(matrices, 6 * BLOCK, matrix_row, w.matrices.weight, C, nullptr, mixed + 3 * BLOCK * C);
  by_atom(mixed, block.count, FEATURES - 1, C, left.mixed + block.start * (FEATURES - 1) * C);
  for (int64_t b = 0; b < block.count; ++b) {
    const int64_t i = block.start + b;
    const float* own = own_features(model, graph, tape, t, i);
    float* features = left.features + i * FEATURES * C;
    const float* ungated = left.mixed + i * (FEATURES - 1) * C;
    std::copy_n(change + b * n_out + C, 2 * C, left.gates + i * 2 * C);
    for (int64_t c = 0; c < C; c += W) {
      const Vec gates[] = {load(change + b * n_out + C + c), load(change + b * n_out + 2 * C + c)};
      store(features + c, load(own + c) + load(change + b * n_out + c));
      for (int64_t q = 1; q < FEATURES; ++q)
        store(features + q * C + c, gates[q > 3] * load(ungated + (q - 1) * C + c));
    }
  }
  // What the neighbors receive in the next round.
  const RoundWeights& next = model.weights.rounds[t + 1];
  const float* const maps[] = {next.sent[0].weight, next.sent[1].weight, next.sent[2].weight};
  float* features = scratch.take(FEATURES * BLOCK * C);
  float* sent = scratch.take(FEATURES * BLOCK * C);
  by_component(left.features + block.start * FEATURES * C, block.count, FEATURES, C, features);
  map_features(features, maps, C, sent);
  by_atom(sent, block.count, FEATURES, C, left.sent + block.start * FEATURES * C);
}

// From the cotangents of the features after round t to those of its sums, receiver's weights included, and,
// unless it is the first, to those of the features before it as far as they do not go through neighbors.
template <bool First>
void return_to_sums(const Model& model, const Graph& graph, const Tape& tape, const Cotangents& cotangents,
                    int64_t t, Block block, Scratch& scratch) {
  const Sizes& s = model.sizes;
  const int64_t C = s.channels, n_in = s.invariants(t) * C, n_out = s.outputs(t) * C;
  const int64_t vector_row = s.vectors(t) * C, matrix_row = s.matrices(t) * C;
  const bool last = s.last(t);
  const RoundWeights& w = model.weights.rounds[t];
  const RoundTape& left = tape.rounds[t];
  scratch.reset(s);
  float* change = scratch.take(BLOCK * n_out);
  float* mixed = scratch.take(last ? 0 : (FEATURES - 1) * BLOCK * C);
  for (int64_t b = 0; b < block.count; ++b) {
    const int64_t i = block.start + b;
    const float* g = cotangents.features + i * FEATURES * C;
    for (int64_t c = 0; c < C; c += W) {
      store(change + b * n_out + c, load(g + c));
      if (last) continue;
      const float* ungated = left.mixed + i * (FEATURES - 1) * C + c;
      Vec gates[2] = {};
      for (int64_t q = 1; q < FEATURES; ++q) {
        const Vec cotangent = load(g + q * C + c);
        gates[q > 3] += cotangent * load(ungated + (q - 1) * C);
        store(mixed + ((q - 1) * BLOCK + b) * C + c, cotangent * load(left.gates + (2 * i + (q > 3)) * C + c));
      }
      store(change + b * n_out + C + c, gates[0]);
      store(change + b * n_out + 2 * C + c, gates[1]);
    }
  }
  float* inner = scratch.take(BLOCK * s.hidden);
  float* in = scratch.take(BLOCK * n_in);
  multiply(change, BLOCK, n_out, w.outer.transpose, s.hidden, nullptr, inner);
  multiply_by_silu_slope(left.inner + block.start * s.hidden, block.count * s.hidden, inner);
  multiply(inner, BLOCK, s.hidden, w.inner.transpose, n_in, nullptr, in);
  float* vectors = scratch.take(last ? 0 : 3 * BLOCK * vector_row);
  float* matrices = scratch.take(last ? 0 : 6 * BLOCK * matrix_row);
  if (!last) {
    multiply(mixed, 3 * BLOCK, C, w.vectors.transpose, vector_row, nullptr, vectors);
    multiply(mixed + 3 * BLOCK * C, 6 * BLOCK, C, w.matrices.transpose, matrix_row, nullptr, matrices);
  }
  for (int64_t b = 0; b < block.count; ++b) {
    const int64_t i = block.start + b;
    const float* own = own_features(model, graph, tape, t, i);
    float* sums = cotangents.sums[t] + i * s.sums(t) * C;
    float* features = cotangents.features + i * FEATURES * C;
    for (int64_t c = 0; c < C; c += W) {
      const Atom atom = load_atom<First>(left.sums + i * s.sums(t) * C + c, own + c, C);
      Atom g{};
      add_invariants_slope<First>(atom, in + b * n_in + c, C, g);
      if (!last)
        add_products_slope<First>(atom, vectors + b * vector_row + c, BLOCK * vector_row,
                                  matrices + b * matrix_row + c, BLOCK * matrix_row, C, g);
      store(sums + c, g.a0);
      store(sums + C + c, C, g.a1);
      store(sums + 4 * C + c, C, g.a2);
      for (int q = 0; q < 7; ++q) store(sums + (10 + q) * C + c, g.a3[q]);
      if constexpr (!First) {
        store(sums + 17 * C + c, C, g.v);
        store(sums + 20 * C + c, C, g.m);
        add_to(features + c, g.scalar);  // beside what passes by the round
        store(features + C + c, C, g.own_vector);
        store(features + 4 * C + c, C, g.own_matrix);
      }
    }
    weigh(model, graph, t, i, sums);
  }
}

// From the cotangents of the sums of round t, of the atoms themselves and of their neighbors, to those of the
// edges and, unless it is the first round, to all of those of the features before it.
template <bool First>
void return_to_messages(const Model& model, const Graph& graph, const Tape& tape, const Cotangents& cotangents,
                        int64_t t, Block block, float* vectors, float* envelope, Scratch& scratch) {
  const Sizes& s = model.sizes;
  const int64_t C = s.channels;
  const Senders from = senders(model, graph, tape, t);
  scratch.reset(s);
  float* sent = scratch.take(BLOCK * FEATURES * C);
  if (!First) std::fill(sent, sent + BLOCK * FEATURES * C, 0.0f);
  Edges edges;
  for (int64_t b = 0; b < block.count; ++b) {
    const int64_t i = block.start + b;
    for (int64_t k = 0; k < graph.columns;) {
      k = edges.collect(graph, i, k, true);
      if (edges.count == 0) continue;
      edges.fill(s, model.spacing);
      with_constant(C, [&](auto channels) {
        return_to_edges<First, channels>(edges, model.weights.rounds[t].table, from, C,
                                         cotangents.sums[t] + i * s.sums(t) * C, cotangents.sums[t],
                                         vectors + 3 * i * graph.columns, envelope + i * graph.columns,
                                         sent + b * FEATURES * C);
      });
    }
  }
  if constexpr (!First) {
    const RoundWeights& w = model.weights.rounds[t];
    const float* const maps[] = {w.sent[0].transpose, w.sent[1].transpose, w.sent[2].transpose};
    float* rows = scratch.take(FEATURES * BLOCK * C);
    float* mapped = scratch.take(FEATURES * BLOCK * C);
    by_component(sent, block.count, FEATURES, C, rows);
    map_features(rows, maps, C, mapped);
    by_atom(mapped, block.count, FEATURES, C, sent);
    for (int64_t b = 0; b < block.count; ++b) {
      const int64_t i = block.start + b;
      float* features = cotangents.features + i * FEATURES * C;
      const float* layer = cotangents.layers + (i * s.interactions + t - 1) * C;
      for (int64_t c = 0; c < FEATURES * C; c += W) add_to(features + c, load(sent + b * FEATURES * C + c));
      for (int64_t c = 0; c < C; c += W) add_to(features + c, load(layer + c));
    }
  }
}

}  // namespace adiabat
