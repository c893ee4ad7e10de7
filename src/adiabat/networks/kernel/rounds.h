// One round of messages, forward and backward, for one block of atoms; in floats, or in dual numbers for training.
#pragma once

#include <algorithm>

#include "edges.h"
#include "nodes.h"

namespace adiabat {

struct Model {
  Sizes sizes;
  Weights<const float> weights;
  float spacing;  // of the knots [Å]
};

// Memory of one thread, cut up anew for each block.
class Scratch {
 public:
  template <typename N>
  Pointer<N> take(int64_t count) {
    return Kind<N>::at(cursor_.take(padded(count)), plane_);
  }

  // Room for whatever a block of this network needs.
  template <typename N>
  void reset(const Sizes& s) {
    const int64_t rows = BLOCK * s.channels;
    plane_ = rows * (2 * INVARIANTS + s.interactions + 2 * (3 * VECTORS + 6 * MATRICES) + 10 * FEATURES) +
             4 * BLOCK * s.hidden + 256;
    const int64_t needed = Kind<N>::planes * plane_ + 16;
    if (int64_t(memory_.size()) < needed) memory_.assign(needed, 0.0f);
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    cursor_ = {memory_.data() + (64 - address % 64) % 64 / 4};
  }

 private:
  std::vector<float> memory_;
  Cursor<float> cursor_{nullptr};
  int64_t plane_ = 0;
};

struct Block {
  int64_t start, count;
};

// The set of radial functions that makes a component of the sums.
inline int64_t set_of(int64_t component) {
  constexpr int64_t ends[] = {1, 4, 10, 17, 20, 26};
  return std::upper_bound(ends, ends + 6, component) - ends;
}

template <typename N>
Senders<N> senders(const Model& model, const Graph& graph, const Tape<N>& tape, int64_t t) {
  const int64_t C = model.sizes.channels;
  if (t == 0) return {model.weights.first_sent, graph.order.species.data(), {}, C};
  return {nullptr, nullptr, tape.rounds[t - 1].sent, FEATURES * C};
}

// An atom's own features before round t.
template <bool First, typename N>
auto own_features(const Model& model, const Graph& graph, const Tape<N>& tape, int64_t t, int64_t i) {
  const int64_t C = model.sizes.channels;
  if constexpr (First)
    return model.weights.embedding + graph.order.species[i] * C;
  else
    return tape.rounds[t - 1].features + i * FEATURES * C;
}

// Sums times the weights of the receiving element, or their cotangents.
template <typename P>
void weigh(const Model& model, const Graph& graph, int64_t t, int64_t i, P sums) {
  const Sizes& s = model.sizes;
  for (int64_t m = 0; m < s.sums(t); ++m) {
    const int64_t row = set_of(m) * s.elements + graph.order.species[i];
    const float* weight = model.weights.rounds[t].receiver + row * s.channels;
    for (int64_t c = 0; c < s.channels; c += W)
      store(sums + (m * s.channels + c), load(sums + (m * s.channels + c)) * load(weight + c));
  }
}

template <bool First, typename N>
void sum_messages(const Model& model, const Graph& graph, const Tape<N>& tape, int64_t t, Block block) {
  const Sizes& s = model.sizes;
  const Senders<N> from = senders(model, graph, tape, t);
  EdgesOf<N> edges;
  for (int64_t i = block.start; i < block.start + block.count; ++i) {
    const int64_t width = s.sums(t) * s.channels;
    const auto sums = tape.rounds[t].sums + i * width;
    clear(sums, width);
    for (int64_t k = 0; k < graph.columns;) {
      k = edges.collect(graph, i, k, false, graph.order.needed[t]);
      if (edges.count == 0) continue;
      edges.fill(s, model.spacing);
      with_constant(s.channels, [&](auto channels) {
        receive<First, channels>(edges, model.weights.rounds[t].table, from, s.channels, sums);
      });
    }
    if constexpr (Kind<N>::dual) copy(sums, width, tape.rounds[t].raw + i * width);
    weigh(model, graph, t, i, sums);
  }
}

// Rows by atom (n, components, C) to rows by component and atom (components, BLOCK, C), and back.
template <typename P>
void by_component(P rows, int64_t count, int64_t components, int64_t C, P to) {
  for (int64_t b = 0; b < count; ++b)
    for (int64_t q = 0; q < components; ++q) copy(rows + (b * components + q) * C, C, to + (q * BLOCK + b) * C);
}

template <typename P>
void by_atom(P rows, int64_t count, int64_t components, int64_t C, P to) {
  for (int64_t b = 0; b < count; ++b)
    for (int64_t q = 0; q < components; ++q) copy(rows + (q * BLOCK + b) * C, C, to + (b * components + q) * C);
}

// Where scalars, vectors and matrices begin in rows by component, and how many components they have.
constexpr int64_t RANK_BEGIN[] = {0, 1, 4}, RANK_SIZE[] = {1, 3, 6};

// y (FEATURES, BLOCK, C) = x times the maps of scalars, vectors and matrices.
template <typename P>
void map_features(P x, const float* const weights[3], int64_t C, P y) {
  for (int rank = 0; rank < 3; ++rank) {
    const int64_t begin = RANK_BEGIN[rank] * BLOCK * C;
    multiply(x + begin, RANK_SIZE[rank] * BLOCK, C, weights[rank], C, nullptr, y + begin);
  }
}

// What the layers of a round work on: the invariants of each atom, its vectors and its matrices.
template <typename N>
struct Inputs {
  Pointer<N> invariants, vectors, matrices;  // (BLOCK, ..), (3, BLOCK, ..), (6, BLOCK, ..)
};

template <typename N>
Inputs<N> take_inputs(const Sizes& s, int64_t t, Scratch& scratch) {
  const int64_t C = s.channels;
  return {scratch.take<N>(BLOCK * s.invariants(t) * C), scratch.take<N>(s.last(t) ? 0 : 3 * BLOCK * s.vectors(t) * C),
          scratch.take<N>(s.last(t) ? 0 : 6 * BLOCK * s.matrices(t) * C)};
}

template <bool First, typename N>
Inputs<N> make_inputs(const Model& model, const Graph& graph, const Tape<N>& tape, int64_t t, Block block,
                      Scratch& scratch) {
  const Sizes& s = model.sizes;
  const int64_t C = s.channels, n_in = s.invariants(t) * C;
  const int64_t vector_row = s.vectors(t) * C, matrix_row = s.matrices(t) * C;
  const Inputs<N> made = take_inputs<N>(s, t, scratch);
  for (int64_t b = 0; b < block.count; ++b) {
    const int64_t i = block.start + b;
    const auto own = own_features<First>(model, graph, tape, t, i);
    for (int64_t c = 0; c < C; c += W) {
      const Atom<N> atom = load_atom<First>(tape.rounds[t].sums + (i * s.sums(t) * C + c), own + c, C);
      invariants<First>(atom, made.invariants + (b * n_in + c), C);
      if (s.last(t)) continue;
      products<First>(atom, made.vectors + (b * vector_row + c), BLOCK * vector_row, made.matrices + (b * matrix_row + c),
                      BLOCK * matrix_row, C);
    }
  }
  return made;
}

// The features after round t from its sums.
template <bool First, typename N>
void update_features(const Model& model, const Graph& graph, const Tape<N>& tape, int64_t t, Block block,
                     Scratch& scratch) {
  const Sizes& s = model.sizes;
  const int64_t C = s.channels, n_out = s.outputs(t) * C;
  const auto& w = model.weights.rounds[t];
  const RoundTape<N>& left = tape.rounds[t];
  scratch.reset<N>(s);
  const Inputs<N> in = make_inputs<First>(model, graph, tape, t, block, scratch);
  const auto inner = scratch.take<N>(BLOCK * s.hidden);
  const auto change = scratch.take<N>(BLOCK * n_out);
  multiply(in.invariants, BLOCK, s.invariants(t) * C, w.inner.weight, s.hidden, w.inner_bias, inner);
  copy(inner, block.count * s.hidden, left.inner + block.start * s.hidden);
  apply_silu(inner, BLOCK * s.hidden, inner);
  multiply(inner, BLOCK, s.hidden, w.outer.weight, n_out, w.outer_bias, change);
  if (s.last(t)) {
    for (int64_t b = 0; b < block.count; ++b) {
      const auto own = own_features<First>(model, graph, tape, t, block.start + b);
      for (int64_t c = 0; c < C; c += W)
        store(left.features + ((block.start + b) * C + c), load(own + c) + load(change + (b * C + c)));
    }
    return;
  }
  const auto mixed = scratch.take<N>((FEATURES - 1) * BLOCK * C);
  multiply(in.vectors, 3 * BLOCK, s.vectors(t) * C, w.vectors.weight, C, nullptr, mixed);
  multiply(in.matrices, 6 * BLOCK, s.matrices(t) * C, w.matrices.weight, C, nullptr, mixed + 3 * BLOCK * C);
  by_atom(mixed, block.count, FEATURES - 1, C, left.mixed + block.start * (FEATURES - 1) * C);
  for (int64_t b = 0; b < block.count; ++b) {
    const int64_t i = block.start + b;
    const auto own = own_features<First>(model, graph, tape, t, i);
    const auto features = left.features + i * FEATURES * C;
    const auto ungated = left.mixed + i * (FEATURES - 1) * C;
    copy(change + (b * n_out + C), 2 * C, left.gates + i * 2 * C);
    for (int64_t c = 0; c < C; c += W) {
      const N gates[] = {load(change + (b * n_out + C + c)), load(change + (b * n_out + 2 * C + c))};
      store(features + c, load(own + c) + load(change + (b * n_out + c)));
      for (int64_t q = 1; q < FEATURES; ++q)
        store(features + (q * C + c), gates[q > 3] * load(ungated + ((q - 1) * C + c)));
    }
  }
  // What the neighbors receive in the next round.
  const auto& next = model.weights.rounds[t + 1];
  const float* const maps[] = {next.sent[0].weight, next.sent[1].weight, next.sent[2].weight};
  const auto features = scratch.take<N>(FEATURES * BLOCK * C);
  const auto sent = scratch.take<N>(FEATURES * BLOCK * C);
  by_component(left.features + block.start * FEATURES * C, block.count, FEATURES, C, features);
  map_features(features, maps, C, sent);
  by_atom(sent, block.count, FEATURES, C, left.sent + block.start * FEATURES * C);
}

// The cotangents of a layer's weights, from those of its outputs, which are rows of `components` blocks.
inline void add_layer_slope(DualPointer x, int64_t components, int64_t count, int64_t n_in, DualPointer y, int64_t n_out,
                            float* weight, float* bias = nullptr) {
  for (int64_t q = 0; q < components; ++q)
    add_weight_slope(x + q * BLOCK * n_in, count, n_in, y + q * BLOCK * n_out, n_out, weight, bias);
}

// From the cotangents of the features after round t to those of its sums, receiver's weights included, and,
// unless it is the first, to those of the features before it as far as they do not go through neighbors.
// In dual numbers also to those of the weights, in `by_weights`.
template <bool First, typename N>
void return_to_sums(const Model& model, const Graph& graph, const Tape<N>& tape, const Cotangents<N>& cotangents,
                    int64_t t, Block block, Scratch& scratch, const Weights<float>* by_weights = nullptr) {
  const Sizes& s = model.sizes;
  const int64_t C = s.channels, n_in = s.invariants(t) * C, n_out = s.outputs(t) * C;
  const int64_t vector_row = s.vectors(t) * C, matrix_row = s.matrices(t) * C;
  const bool last = s.last(t);
  const auto& w = model.weights.rounds[t];
  const RoundTape<N>& left = tape.rounds[t];
  scratch.reset<N>(s);
  const auto change = scratch.take<N>(BLOCK * n_out);
  const auto mixed = scratch.take<N>(last ? 0 : (FEATURES - 1) * BLOCK * C);
  for (int64_t b = 0; b < block.count; ++b) {
    const int64_t i = block.start + b;
    const auto g = cotangents.features[t] + i * s.features(t) * C;
    for (int64_t c = 0; c < C; c += W) {
      store(change + (b * n_out + c), load(g + c));
      if (last) continue;
      const auto ungated = left.mixed + (i * (FEATURES - 1) * C + c);
      N gates[2] = {};
      for (int64_t q = 1; q < FEATURES; ++q) {
        const N cotangent = load(g + (q * C + c));
        gates[q > 3] += cotangent * load(ungated + (q - 1) * C);
        store(mixed + (((q - 1) * BLOCK + b) * C + c), cotangent * load(left.gates + ((2 * i + (q > 3)) * C + c)));
      }
      store(change + (b * n_out + C + c), gates[0]);
      store(change + (b * n_out + 2 * C + c), gates[1]);
    }
  }
  const auto inner = scratch.take<N>(BLOCK * s.hidden);
  const auto slope = take_inputs<N>(s, t, scratch);
  multiply(change, BLOCK, n_out, w.outer.transpose, s.hidden, nullptr, inner);
  multiply_by_silu_slope(left.inner + block.start * s.hidden, block.count * s.hidden, inner);
  multiply(inner, BLOCK, s.hidden, w.inner.transpose, n_in, nullptr, slope.invariants);
  if (!last) {
    multiply(mixed, 3 * BLOCK, C, w.vectors.transpose, vector_row, nullptr, slope.vectors);
    multiply(mixed + 3 * BLOCK * C, 6 * BLOCK, C, w.matrices.transpose, matrix_row, nullptr, slope.matrices);
  }
  if constexpr (Kind<N>::dual) {
    const auto& to = by_weights->rounds[t];
    const Inputs<N> in = make_inputs<First>(model, graph, tape, t, block, scratch);
    const auto active = scratch.take<N>(BLOCK * s.hidden);
    apply_silu(left.inner + block.start * s.hidden, block.count * s.hidden, active);
    add_layer_slope(active, 1, block.count, s.hidden, change, n_out, to.outer.weight, to.outer_bias);
    add_layer_slope(in.invariants, 1, block.count, n_in, inner, s.hidden, to.inner.weight, to.inner_bias);
    if (!last) {
      add_layer_slope(in.vectors, 3, block.count, vector_row, mixed, C, to.vectors.weight);
      add_layer_slope(in.matrices, 6, block.count, matrix_row, mixed + 3 * BLOCK * C, C, to.matrices.weight);
    }
  }
  for (int64_t b = 0; b < block.count; ++b) {
    const int64_t i = block.start + b;
    const auto own = own_features<First>(model, graph, tape, t, i);
    const auto sums = cotangents.sums[t] + i * s.sums(t) * C;
    const auto after = cotangents.features[t] + i * s.features(t) * C;
    for (int64_t c = 0; c < C; c += W) {
      const Atom<N> atom = load_atom<First>(left.sums + (i * s.sums(t) * C + c), own + c, C);
      Atom<N> g{};
      add_invariants_slope<First>(atom, slope.invariants + (b * n_in + c), C, g);
      if (!last)
        add_products_slope<First>(atom, slope.vectors + (b * vector_row + c), BLOCK * vector_row,
                                  slope.matrices + (b * matrix_row + c), BLOCK * matrix_row, C, g);
      store(sums + c, g.a0);
      store(sums + (C + c), C, g.a1);
      store(sums + (4 * C + c), C, g.a2);
      for (int q = 0; q < 7; ++q) store(sums + ((10 + q) * C + c), g.a3[q]);
      if constexpr (!First) {
        store(sums + (17 * C + c), C, g.v);
        store(sums + (20 * C + c), C, g.m);
        const auto features = cotangents.features[t - 1] + i * FEATURES * C;
        store(features + c, load(after + c) + g.scalar);  // of which the first passes by the round
        store(features + (C + c), C, g.own_vector);
        store(features + (4 * C + c), C, g.own_matrix);
      } else if constexpr (Kind<N>::dual) {
        add_to(by_weights->embedding + graph.order.species[i] * C + c, (load(after + c) + g.scalar).d);
      }
    }
    if constexpr (Kind<N>::dual) {
      const auto raw = left.raw + i * s.sums(t) * C;
      for (int64_t m = 0; m < s.sums(t); ++m) {
        float* to = by_weights->rounds[t].receiver + (set_of(m) * s.elements + graph.order.species[i]) * C;
        for (int64_t c = 0; c < C; c += W) add_to(to + c, (load(sums + (m * C + c)) * load(raw + (m * C + c))).d);
      }
    }
    weigh(model, graph, t, i, sums);
  }
}

// From the cotangents of the sums of round t, of the atoms themselves and of their neighbors, to those of the
// edges and, unless it is the first round, to all of those of the features before it. In dual numbers to those of
// the weights in the place of the edges.
struct EdgeCotangents {
  float *vectors, *envelope;
};

template <bool First, typename N, typename To>
void return_to_messages(const Model& model, const Graph& graph, const Tape<N>& tape, const Cotangents<N>& cotangents,
                        int64_t t, Block block, const To& to, Scratch& scratch) {
  const Sizes& s = model.sizes;
  const int64_t C = s.channels, needed = graph.order.needed[t];
  const Senders<N> from = senders(model, graph, tape, t);
  scratch.reset<N>(s);
  const auto sent = scratch.take<N>(BLOCK * FEATURES * C);
  if (!First) clear(sent, BLOCK * FEATURES * C);
  EdgesOf<N> edges;
  for (int64_t b = 0; b < block.count; ++b) {
    const int64_t i = block.start + b;
    const auto own = cotangents.sums[t] + i * s.sums(t) * C, others = cotangents.sums[t];
    for (int64_t k = 0; k < graph.columns;) {
      k = edges.collect(graph, i, k, true, needed);
      if (edges.count == 0) continue;
      edges.fill(s, model.spacing);
      with_constant(C, [&](auto channels) {
        const float* table = model.weights.rounds[t].table;
        const auto row = sent + b * FEATURES * C;
        if constexpr (Kind<N>::dual)
          return_to_table<First, channels>(edges, table, from, C, own, others, to.rounds[t].table, to.first_sent, row);
        else if (i >= needed)
          return_to_sent<channels>(edges, table, C, others, row);
        else
          return_to_edges<First, channels>(edges, table, from, C, needed, own, others,
                                           to.vectors + 3 * graph.first_edge(i),
                                           to.envelope + graph.first_edge(i), row);
      });
    }
  }
  if constexpr (!First) {
    const auto& w = model.weights.rounds[t];
    const float* const maps[] = {w.sent[0].transpose, w.sent[1].transpose, w.sent[2].transpose};
    const auto rows = scratch.take<N>(FEATURES * BLOCK * C);
    const auto mapped = scratch.take<N>(FEATURES * BLOCK * C);
    by_component(sent, block.count, FEATURES, C, rows);
    if constexpr (Kind<N>::dual) {
      by_component(tape.rounds[t - 1].features + block.start * FEATURES * C, block.count, FEATURES, C, mapped);
      for (int rank = 0; rank < 3; ++rank) {
        const int64_t begin = RANK_BEGIN[rank] * BLOCK * C;
        add_layer_slope(mapped + begin, RANK_SIZE[rank], block.count, C, rows + begin, C, to.rounds[t].sent[rank].weight);
      }
    }
    map_features(rows, maps, C, mapped);
    by_atom(mapped, block.count, FEATURES, C, sent);
    for (int64_t b = 0; b < block.count; ++b) {
      const int64_t i = block.start + b;
      const auto features = cotangents.features[t - 1] + i * FEATURES * C;
      const auto layer = cotangents.layers + (i * s.interactions + t - 1) * C;
      for (int64_t c = 0; c < FEATURES * C; c += W) add_to(features + c, load(sent + (b * FEATURES * C + c)));
      for (int64_t c = 0; c < C; c += W) add_to(features + c, load(layer + c));
    }
  }
}

}  // namespace adiabat
