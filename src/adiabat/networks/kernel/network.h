// The whole network: rounds over blocks of atoms, with a barrier wherever an atom reads what its neighbors
// computed. Nothing is ever scattered, so an atom's numbers do not depend on the number of threads.
#pragma once

#include "parallel.h"
#include "rounds.h"

namespace adiabat {

// Of the first n_atoms places.
inline Block block_of(int64_t n_atoms, int64_t number) {
  const int64_t start = number * BLOCK;
  return {start, std::min<int64_t>(BLOCK, n_atoms - start)};
}

inline int64_t blocks(int64_t n_atoms) { return (n_atoms + BLOCK - 1) / BLOCK; }

// Clears rows of `width` floats at the places from `begin` to `end`.
inline void clear_rows(int64_t begin, int64_t end, int64_t width, float* rows) {
  clear(rows + begin * width, (end - begin) * width);
}

// Into how many parts the sums over atoms are cut that make the cotangents of the weights.
inline int64_t parts_of(int64_t n_atoms) { return std::clamp<int64_t>(blocks(n_atoms) / 4, 1, 8); }

// Floats that energy_changes() works with.
inline int64_t change_space(const Sizes& s, int64_t n_atoms) { return 2 * Tape<Dual>(nullptr, s, n_atoms).size; }

// Floats that weight_slopes() works with.
inline int64_t slope_space(const Sizes& s, int64_t n_atoms) {
  const Tape<Dual> tape(nullptr, s, n_atoms);
  return 2 * (tape.size + Cotangents<Dual>(tape, nullptr, s, n_atoms).size) +
         parts_of(n_atoms) * Weights<const float>(nullptr, s).size;
}

inline Scratch& thread_scratch() {
  static thread_local Scratch scratch;
  return scratch;
}

// The scalars of all rounds as rows of the readout, for a block.
template <typename N>
Pointer<N> layers_of(const Model& model, const Tape<N>& tape, Block block, Scratch& scratch) {
  const Sizes& s = model.sizes;
  const int64_t C = s.channels, row = s.interactions * C;
  const auto layers = scratch.take<N>(BLOCK * row);
  for (int64_t b = 0; b < block.count; ++b)
    for (int64_t t = 0; t < s.interactions; ++t)
      copy(tape.rounds[t].features + (block.start + b) * s.features(t) * C, C, layers + (b * row + t * C));
  return layers;
}

// What the readout makes of the scalars of all rounds; energies of floats where they are wanted.
template <typename N>
void read_out(const Model& model, const Graph& graph, const Tape<N>& tape, Block block, float* energies,
              Scratch& scratch) {
  const Sizes& s = model.sizes;
  const auto& w = model.weights;
  const int64_t C = s.channels;
  scratch.reset<N>(s);
  const auto layers = layers_of(model, tape, block, scratch);
  const auto inner = scratch.take<N>(BLOCK * C);
  multiply(layers, BLOCK, s.interactions * C, w.readout.weight, C, w.readout_bias, inner);
  copy(inner, block.count * C, tape.readout + block.start * C);
  if constexpr (!Kind<N>::dual) {
    for (int64_t b = 0; b < block.count; ++b) {
      Vec total{};
      for (int64_t c = 0; c < C; c += W) total += silu(load(inner + b * C + c)) * load(w.readout_out + c);
      const int64_t place = block.start + b;
      energies[graph.order.atoms[place]] = sum(total) + w.constant[graph.order.species[place]];
    }
  }
}

// From the cotangents of the energies to those of the scalars of all rounds, and of the weights as above.
template <typename N, typename P>
void return_to_layers(const Model& model, const Graph& graph, const Tape<N>& tape, const Cotangents<N>& cotangents,
                      Block block, P energies, Scratch& scratch, const Weights<float>* by_weights = nullptr) {
  const Sizes& s = model.sizes;
  const auto& w = model.weights;
  const int64_t C = s.channels, row = s.interactions * C;
  scratch.reset<N>(s);
  const auto inner = scratch.take<N>(BLOCK * C);
  const auto layers = scratch.take<N>(BLOCK * row);
  for (int64_t b = 0; b < block.count; ++b)
    for (int64_t c = 0; c < C; c += W)
      store(inner + (b * C + c), scalar(energies + graph.order.atoms[block.start + b]) * load(w.readout_out + c));
  if constexpr (Kind<N>::dual) {
    for (int64_t b = 0; b < block.count; ++b) {
      const DualScalar energy = scalar(energies + graph.order.atoms[block.start + b]);
      by_weights->constant[graph.order.species[block.start + b]] += energy.d;
      for (int64_t c = 0; c < C; c += W)
        add_to(by_weights->readout_out + c, (energy * silu(load(tape.readout + ((block.start + b) * C + c)))).d);
    }
  }
  multiply_by_silu_slope(tape.readout + block.start * C, block.count * C, inner);
  if constexpr (Kind<N>::dual)
    add_layer_slope(layers_of(model, tape, block, scratch), 1, block.count, row, inner, C, by_weights->readout.weight,
                    by_weights->readout_bias);
  multiply(inner, BLOCK, C, w.readout.transpose, row, nullptr, layers);
  copy(layers, block.count * row, cotangents.layers + block.start * row);
  for (int64_t b = 0; b < block.count; ++b)
    copy(layers + (b * row + (s.interactions - 1) * C), C, cotangents.features.back() + (block.start + b) * C);
}

template <typename N, typename Pool>
void forward(const Model& model, const Graph& graph, const Tape<N>& tape, float* energies, Pool& pool) {
  const Sizes& s = model.sizes;
  for (int64_t t = 0; t < s.interactions; ++t) {
    const int64_t needed = graph.order.needed[t];
    for_each(blocks(needed), pool, [&](int64_t number) {
      const Block block = block_of(needed, number);
      Scratch& scratch = thread_scratch();
      if (t == 0) {
        sum_messages<true>(model, graph, tape, t, block);
        update_features<true>(model, graph, tape, t, block, scratch);
      } else {
        sum_messages<false>(model, graph, tape, t, block);
        update_features<false>(model, graph, tape, t, block, scratch);
      }
      if (s.last(t)) read_out(model, graph, tape, block, energies, scratch);
    });
  }
  if constexpr (!Kind<N>::dual)
    for (int64_t place = graph.order.needed.back(); place < graph.n_atoms; ++place)
      energies[graph.order.atoms[place]] = 0.0f;
}

// vectors and envelope: where the cotangents of the edges go.
template <typename Pool>
void backward(const Model& model, const Graph& graph, const Tape<Vec>& tape, const Cotangents<Vec>& cotangents,
              const float* energies, float* vectors, float* envelope, Pool& pool) {
  const EdgeCotangents to{vectors, envelope};
  // The first round's edges read no neighbor's cotangents: they follow in the same phase.
  const auto through_round = [&](int64_t t, Block block, Scratch& scratch) {
    if (t > 0) return return_to_sums<false>(model, graph, tape, cotangents, t, block, scratch);
    return_to_sums<true>(model, graph, tape, cotangents, t, block, scratch);
    return_to_messages<true>(model, graph, tape, cotangents, t, block, to, scratch);
  };
  const Sizes& s = model.sizes;
  const std::vector<int64_t>& needed = graph.order.needed;
  const int64_t last = s.interactions - 1, n_atoms = graph.n_atoms;
  // Atoms that round t leaves out, but not the one before, get from it what they have sent alone.
  clear_rows(needed[last], needed[0], s.interactions * s.channels, cotangents.layers);
  for (int64_t t = 1; t <= last; ++t)
    clear_rows(needed[t], needed[t - 1], FEATURES * s.channels, cotangents.features[t - 1]);
  for_each(blocks(n_atoms), pool, [&](int64_t number) {
    const Block all = block_of(n_atoms, number), block = block_of(needed[last], number);
    for (int64_t place = all.start; place < all.start + all.count; ++place) {
      std::fill_n(vectors + 3 * graph.first_edge(place), 3 * graph.columns, 0.0f);
      std::fill_n(envelope + graph.first_edge(place), graph.columns, 0.0f);
    }
    if (block.count <= 0) return;
    Scratch& scratch = thread_scratch();
    return_to_layers(model, graph, tape, cotangents, block, energies, scratch);
    through_round(last, block, scratch);
  });
  for (int64_t t = last; t > 0; --t)
    for_each(blocks(needed[t - 1]), pool, [&](int64_t number) {
      const Block block = block_of(needed[t - 1], number);
      Scratch& scratch = thread_scratch();
      return_to_messages<false>(model, graph, tape, cotangents, t, block, to, scratch);
      through_round(t - 1, block, scratch);
    });
}

// How the energies change when the edges move along the direction in the graph.
template <typename Pool>
void energy_changes(const Model& model, const Graph& graph, float* changes, float* space, Pool& pool) {
  const int64_t n = graph.n_atoms, C = model.sizes.channels;
  const Tape<Dual> tape(space, model.sizes, n, Tape<Dual>(nullptr, model.sizes, n).size);
  forward(model, graph, tape, nullptr, pool);
  for (int64_t place = 0; place < n; ++place) {
    Vec total{};
    for (int64_t c = 0; c < C; c += W)
      total += silu(load(tape.readout + (place * C + c))).d * load(model.weights.readout_out + c);
    changes[graph.order.atoms[place]] = sum(total);
  }
}

// The cotangents of the weights, given those of the energies and of what backward() found: a reverse sweep over dual
// numbers, along the direction in the graph. `energies`: in v the cotangents that backward() was given, in d those of
// the energies themselves. Consecutive blocks make a part, and each part adds to cotangents of its own: the result
// does not depend on the number of threads.
template <typename Pool>
void weight_slopes(const Model& model, const Graph& graph, DualPointer energies, float* by_weights, float* space,
                   Pool& pool) {
  const Sizes& s = model.sizes;
  const int64_t n = graph.n_atoms, size = model.weights.size, parts = parts_of(n);
  const int64_t tape_size = Tape<Dual>(nullptr, s, n).size;
  const Tape<Dual> tape(space, s, n, tape_size);
  const int64_t space_size = Cotangents<Dual>(tape, nullptr, s, n).size;
  const Cotangents<Dual> cotangents(tape, space + 2 * tape_size, s, n, space_size);
  float* const sums = space + 2 * (tape_size + space_size);
  forward(model, graph, tape, nullptr, pool);

  const auto phase = [&](bool begin, auto&& work) {
    for_each(
        parts, pool,
        [&](int64_t part) {
          if (begin) clear(sums + part * size, size);
          const Weights<float> to(sums + part * size, s);
          for (int64_t number = blocks(n) * part / parts; number < blocks(n) * (part + 1) / parts; ++number)
            work(block_of(n, number), to, thread_scratch());
        },
        2);
  };
  const auto through_round = [&](int64_t t, Block block, const Weights<float>& to, Scratch& scratch) {
    if (t > 0) return return_to_sums<false>(model, graph, tape, cotangents, t, block, scratch, &to);
    return_to_sums<true>(model, graph, tape, cotangents, t, block, scratch, &to);
    return_to_messages<true>(model, graph, tape, cotangents, t, block, to, scratch);
  };
  phase(true, [&](Block block, const Weights<float>& to, Scratch& scratch) {
    return_to_layers(model, graph, tape, cotangents, block, energies, scratch, &to);
    through_round(s.interactions - 1, block, to, scratch);
  });
  for (int64_t t = s.interactions - 1; t > 0; --t)
    phase(false, [&](Block block, const Weights<float>& to, Scratch& scratch) {
      return_to_messages<false>(model, graph, tape, cotangents, t, block, to, scratch);
      through_round(t - 1, block, to, scratch);
    });
  copy(sums, size, by_weights);
  for (int64_t part = 1; part < parts; ++part)
    for (int64_t i = 0; i < size; ++i) by_weights[i] += sums[part * size + i];
}

}  // namespace adiabat
