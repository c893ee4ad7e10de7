// The whole network: rounds over blocks of atoms, with a barrier wherever an atom reads what its neighbors
// computed. Nothing is ever scattered, so an atom's numbers do not depend on the number of threads.
#pragma once

#include "parallel.h"
#include "rounds.h"

namespace adiabat {

inline Block block_of(const Graph& graph, int64_t number) {
  const int64_t start = number * BLOCK;
  return {start, std::min<int64_t>(BLOCK, graph.n_atoms - start)};
}

inline int64_t blocks(const Graph& graph) { return (graph.n_atoms + BLOCK - 1) / BLOCK; }

inline Scratch& thread_scratch() {
  static thread_local Scratch scratch;
  return scratch;
}

// Energies from the scalars of all rounds.
inline void read_out(const Model& model, const Graph& graph, const Tape& tape, Block block, float* energies,
                     Scratch& scratch) {
  const Sizes& s = model.sizes;
  const Weights& w = model.weights;
  const int64_t C = s.channels, row = s.interactions * C;
  scratch.reset(s);
  float* layers = scratch.take(BLOCK * row);
  float* inner = scratch.take(BLOCK * C);
  for (int64_t b = 0; b < block.count; ++b)
    for (int64_t t = 0; t < s.interactions; ++t)
      std::copy_n(tape.rounds[t].features + (block.start + b) * (s.last(t) ? 1 : FEATURES) * C, C,
                  layers + b * row + t * C);
  multiply(layers, BLOCK, row, w.readout.weight, C, w.readout_bias, inner);
  std::copy_n(inner, block.count * C, tape.readout + block.start * C);
  for (int64_t b = 0; b < block.count; ++b) {
    Vec total{};
    for (int64_t c = 0; c < C; c += W) total += silu(load(inner + b * C + c)) * load(w.readout_out + c);
    energies[block.start + b] = sum(total) + w.constant[graph.species[block.start + b]];
  }
}

// From the cotangents of the energies to those of the scalars of all rounds.
inline void return_to_layers(const Model& model, const Tape& tape, const Cotangents& cotangents, Block block,
                             const float* energies, Scratch& scratch) {
  const Sizes& s = model.sizes;
  const Weights& w = model.weights;
  const int64_t C = s.channels, row = s.interactions * C;
  scratch.reset(s);
  float* inner = scratch.take(BLOCK * C);
  float* layers = scratch.take(BLOCK * row);
  for (int64_t b = 0; b < block.count; ++b)
    for (int64_t c = 0; c < C; c += W)
      store(inner + b * C + c, energies[block.start + b] * load(w.readout_out + c));
  multiply_by_silu_slope(tape.readout + block.start * C, block.count * C, inner);
  multiply(inner, BLOCK, C, w.readout.transpose, row, nullptr, layers);
  std::copy_n(layers, block.count * row, cotangents.layers + block.start * row);
  for (int64_t b = 0; b < block.count; ++b)
    std::copy_n(layers + b * row + (s.interactions - 1) * C, C,
                cotangents.features + (block.start + b) * FEATURES * C);
}

template <typename Pool>
void forward(const Model& model, const Graph& graph, const Tape& tape, float* energies, Pool& pool) {
  for (int64_t t = 0; t < model.sizes.interactions; ++t)
    for_each(blocks(graph), pool, [&](int64_t number) {
      const Block block = block_of(graph, number);
      Scratch& scratch = thread_scratch();
      if (t == 0) {
        sum_messages<true>(model, graph, tape, t, block);
        update_features<true>(model, graph, tape, t, block, scratch);
      } else {
        sum_messages<false>(model, graph, tape, t, block);
        update_features<false>(model, graph, tape, t, block, scratch);
      }
      if (model.sizes.last(t)) read_out(model, graph, tape, block, energies, scratch);
    });
}

// vectors and envelope: where the cotangents of the edges go.
template <typename Pool>
void backward(const Model& model, const Graph& graph, const Tape& tape, const Cotangents& cotangents,
              const float* energies, float* vectors, float* envelope, Pool& pool) {
  // The first round's edges read no neighbor's cotangents: they follow in the same phase.
  const auto through_round = [&](int64_t t, Block block, Scratch& scratch) {
    if (t > 0) return return_to_sums<false>(model, graph, tape, cotangents, t, block, scratch);
    return_to_sums<true>(model, graph, tape, cotangents, t, block, scratch);
    return_to_messages<true>(model, graph, tape, cotangents, t, block, vectors, envelope, scratch);
  };
  const int64_t last = model.sizes.interactions - 1;
  for_each(blocks(graph), pool, [&](int64_t number) {
    const Block block = block_of(graph, number);
    Scratch& scratch = thread_scratch();
    const int64_t begin = block.start * graph.columns, count = block.count * graph.columns;
    std::fill_n(vectors + 3 * begin, 3 * count, 0.0f);
    std::fill_n(envelope + begin, count, 0.0f);
    return_to_layers(model, tape, cotangents, block, energies, scratch);
    through_round(last, block, scratch);
  });
  for (int64_t t = last; t > 0; --t)
    for_each(blocks(graph), pool, [&](int64_t number) {
      const Block block = block_of(graph, number);
      Scratch& scratch = thread_scratch();
      return_to_messages<false>(model, graph, tape, cotangents, t, block, vectors, envelope, scratch);
      through_round(t - 1, block, scratch);
    });
}

}  // namespace adiabat
