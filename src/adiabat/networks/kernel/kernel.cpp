// The functions XLA calls, and their sizes for the Python around them.

#include <algorithm>
#include <vector>

#include "environments.h"
#include "network.h"
#include "orthogonal.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using namespace adiabat;

namespace {

using Floats = ffi::Buffer<ffi::F32>;
using Integers = ffi::Buffer<ffi::S32>;
using Doubles = ffi::Buffer<ffi::F64>;
using Truths = ffi::Buffer<ffi::PRED>;

// interactions, channels, hidden, elements, knots
using Numbers = ffi::Span<const int64_t>;

Model model_of(Numbers n, float spacing, const Floats& weights) {
  const Sizes sizes{n[0], n[1], n[2], n[3], n[4]};
  return {sizes, Weights<const float>(weights.typed_data(), sizes), spacing};
}

Order order_of(const Integers& species, const Integers& given, const Sizes& sizes) {
  return {int64_t(given.element_count()), given.typed_data(), species.typed_data(), sizes.elements,
          sizes.interactions};
}

Graph graph_of(const Order& order, const Floats& vectors, const Floats& envelope, const Integers& index,
               const Integers& reverse) {
  const auto shape = index.dimensions();
  return {shape[0], shape[1], order, vectors.typed_data(), envelope.typed_data(), index.typed_data(),
          reverse.typed_data()};
}

bool fits(int64_t size, const Floats& buffer) { return size == int64_t(buffer.element_count()); }

// Where a result goes that may be large.
float* large(ffi::Result<Floats>& result) {
  ask_for_large_pages(result->typed_data(), int64_t(result->element_count()));
  return result->typed_data();
}

ffi::Error misfit() {
  return ffi::Error::InvalidArgument("adiabat's kernel: the buffers do not have the sizes of the network");
}

ffi::Error run_forward(ffi::ThreadPool pool, Integers species, Floats vectors, Floats envelope, Integers index,
                       Integers reverse, Integers given, Floats weights, ffi::Result<Floats> energies,
                       ffi::Result<Floats> tape, Numbers sizes, float spacing) {
  const Model model = model_of(sizes, spacing, weights);
  const Order order = order_of(species, given, model.sizes);
  const Graph graph = graph_of(order, vectors, envelope, index, reverse);
  const Tape<Vec> left(large(tape), model.sizes, graph.n_atoms);
  if (!fits(model.weights.size, weights) || !fits(left.size, *tape)) return misfit();
  forward(model, graph, left, energies->typed_data(), pool);
  return ffi::Error::Success();
}

// changed: the tape itself, of which nothing is kept.
ffi::Error run_backward(ffi::ThreadPool pool, Floats cotangents, Integers species, Floats vectors, Floats envelope,
                        Integers index, Integers reverse, Integers given, Floats weights, Floats tape,
                        ffi::Result<Floats> by_vectors, ffi::Result<Floats> by_envelope, ffi::Result<Floats> changed,
                        Numbers sizes, float spacing) {
  const Model model = model_of(sizes, spacing, weights);
  const Order order = order_of(species, given, model.sizes);
  const Graph graph = graph_of(order, vectors, envelope, index, reverse);
  const Tape<Vec> left(changed->typed_data(), model.sizes, graph.n_atoms);
  const Cotangents<Vec> between(left, nullptr, model.sizes, graph.n_atoms);
  if (!fits(model.weights.size, weights) || !fits(left.size, tape) || tape.typed_data() != changed->typed_data())
    return misfit();
  backward(model, graph, left, between, cotangents.typed_data(), large(by_vectors), large(by_envelope), pool);
  return ffi::Error::Success();
}

// of_vectors, of_envelope: how the edges move.
ffi::Error run_changes(ffi::ThreadPool pool, Floats of_vectors, Floats of_envelope, Integers species, Floats vectors,
                       Floats envelope, Integers index, Integers reverse, Integers given, Floats weights,
                       ffi::Result<Floats> changes, ffi::Result<Floats> space, Numbers sizes, float spacing) {
  const Model model = model_of(sizes, spacing, weights);
  const Order order = order_of(species, given, model.sizes);
  Graph graph = graph_of(order, vectors, envelope, index, reverse);
  graph.vector_changes = of_vectors.typed_data();
  graph.envelope_changes = of_envelope.typed_data();
  if (!fits(model.weights.size, weights) || !fits(change_space(model.sizes, graph.n_atoms), *space)) return misfit();
  energy_changes(model, graph, changes->typed_data(), large(space), pool);
  return ffi::Error::Success();
}

// energies: cotangents of the energies; of_energies, of_vectors, of_envelope: what backward() was given, and the
// cotangents of what it found.
ffi::Error run_weights(ffi::ThreadPool pool, Floats energies, Floats of_energies, Floats of_vectors,
                       Floats of_envelope, Integers species, Floats vectors, Floats envelope, Integers index,
                       Integers reverse, Integers given, Floats weights, ffi::Result<Floats> by_weights,
                       ffi::Result<Floats> space, Numbers sizes, float spacing) {
  const Model model = model_of(sizes, spacing, weights);
  const Order order = order_of(species, given, model.sizes);
  Graph graph = graph_of(order, vectors, envelope, index, reverse);
  graph.vector_changes = of_vectors.typed_data();
  graph.envelope_changes = of_envelope.typed_data();
  const int64_t n = graph.n_atoms;
  if (!fits(model.weights.size, weights) || !fits(model.weights.size, *by_weights) ||
      !fits(2 * n + slope_space(model.sizes, n), *space))
    return misfit();
  float* const seeds = large(space);
  copy(of_energies.typed_data(), n, seeds);
  copy(energies.typed_data(), n, seeds + n);
  weight_slopes(model, graph, {seeds, n}, by_weights->typed_data(), seeds + 2 * n, pool);
  return ffi::Error::Success();
}

// shapes: rows and columns of each matrix, which stand one after the other. They are worked on by falling size, so that
// the threads end together.
ffi::Error run_orthogonal(ffi::ThreadPool pool, Floats matrices, ffi::Result<Floats> factors,
                          ffi::Span<const int64_t> shapes, ffi::Span<const float> quintic, int64_t iterations) {
  struct Part {
    int64_t begin, rows, columns;
  };
  std::vector<Part> parts;
  int64_t end = 0;
  for (size_t k = 0; k + 1 < shapes.size(); k += 2) {
    parts.push_back({end, shapes[k], shapes[k + 1]});
    end += shapes[k] * shapes[k + 1];
  }
  if (!fits(end, matrices)) return misfit();
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Part& a, const Part& b) { return a.rows * a.columns > b.rows * b.columns; });
  for_each(
      int64_t(parts.size()), pool,
      [&](int64_t k) {
        const Part& part = parts[k];
        orthogonal_factor(matrices.typed_data() + part.begin, part.rows, part.columns, quintic.begin(), iterations,
                          factors->typed_data() + part.begin);
      },
      2);
  return ffi::Error::Success();
}

// What the functions on a structure share: its arrays, the order of its atoms and the weights, and at the end the sizes.
template <typename Binding>
auto with_graph(Binding binding) {
  return std::move(binding)
      .template Arg<Integers>()
      .template Arg<Floats>()
      .template Arg<Floats>()
      .template Arg<Integers>()
      .template Arg<Integers>()
      .template Arg<Integers>()
      .template Arg<Floats>();
}

template <typename Binding>
auto with_sizes(Binding binding) {
  return std::move(binding).template Attr<Numbers>("sizes").template Attr<float>("spacing");
}

auto on_threads() { return ffi::Ffi::Bind().Ctx<ffi::ThreadPool>(); }

// repulsion: (n_elements, n_elements, 3), as RepulsionOfPair
Structure structure_of(const Doubles& positions, const Doubles& cells, const Floats& shift, const Integers& index,
                       const Integers& reverse, const Truths& mask, const Integers& species, const Doubles& repulsion) {
  static_assert(sizeof(RepulsionOfPair) == 3 * sizeof(double));
  return {index.dimensions()[0],
          index.dimensions()[1],
          positions.typed_data(),
          cells.typed_data(),
          shift.typed_data(),
          index.typed_data(),
          reverse.typed_data(),
          mask.typed_data(),
          species.typed_data(),
          repulsion.dimensions()[0],
          reinterpret_cast<const RepulsionOfPair*>(repulsion.typed_data())};
}

ffi::Error run_environments(ffi::ThreadPool pool, Doubles positions, Doubles cells, Floats shift, Integers index,
                            Integers reverse, Truths mask, Integers species, Doubles repulsion,
                            ffi::Result<Floats> vectors, ffi::Result<Floats> envelope, ffi::Result<Floats> share,
                            ffi::Result<Doubles> repelled, float cutoff) {
  const Structure structure = structure_of(positions, cells, shift, index, reverse, mask, species, repulsion);
  find_environments(structure, cutoff, large(vectors), large(envelope), share->typed_data(), repelled->typed_data(),
                    pool);
  return ffi::Error::Success();
}

ffi::Error run_environments_back(ffi::ThreadPool pool, Floats vectors, Floats envelope, Floats share, Doubles repelled,
                                 Doubles positions, Doubles cells, Floats shift, Integers index, Integers reverse,
                                 Truths mask, Integers species, Doubles repulsion, ffi::Result<Doubles> by_positions,
                                 ffi::Result<Doubles> by_cells, ffi::Result<Floats> pull, float cutoff) {
  const Structure structure = structure_of(positions, cells, shift, index, reverse, mask, species, repulsion);
  const EnvironmentCotangents given{vectors.typed_data(), envelope.typed_data(), share.typed_data(),
                                    repelled.typed_data()};
  return_environments(structure, cutoff, given, by_positions->typed_data(), by_cells->typed_data(), pull->typed_data(), pool);
  return ffi::Error::Success();
}

// Likewise for the structure itself.
template <typename Binding>
auto with_structure(Binding binding) {
  return std::move(binding)
      .template Arg<Doubles>()
      .template Arg<Doubles>()
      .template Arg<Floats>()
      .template Arg<Integers>()
      .template Arg<Integers>()
      .template Arg<Truths>()
      .template Arg<Integers>()
      .template Arg<Doubles>();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(adiabat_environments, run_environments,
                              with_structure(on_threads())
                                  .Ret<Floats>()
                                  .Ret<Floats>()
                                  .Ret<Floats>()
                                  .Ret<Doubles>()
                                  .Attr<float>("cutoff"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(adiabat_environments_back, run_environments_back,
                              with_structure(on_threads().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Doubles>())
                                  .Ret<Doubles>()
                                  .Ret<Doubles>()
                                  .Ret<Floats>()
                                  .Attr<float>("cutoff"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(adiabat_forward, run_forward,
                              with_sizes(with_graph(on_threads()).Ret<Floats>().Ret<Floats>()));

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    adiabat_backward, run_backward,
    with_sizes(
        with_graph(on_threads().Arg<Floats>()).Arg<Floats>().Ret<Floats>().Ret<Floats>().Ret<Floats>()));

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    adiabat_changes, run_changes,
    with_sizes(with_graph(on_threads().Arg<Floats>().Arg<Floats>()).Ret<Floats>().Ret<Floats>()));

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    adiabat_weights, run_weights,
    with_sizes(with_graph(on_threads().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>())
                   .Ret<Floats>()
                   .Ret<Floats>()));

XLA_FFI_DEFINE_HANDLER_SYMBOL(adiabat_orthogonal, run_orthogonal,
                              on_threads()
                                  .Arg<Floats>()
                                  .Ret<Floats>()
                                  .Attr<ffi::Span<const int64_t>>("shapes")
                                  .Attr<ffi::Span<const float>>("quintic")
                                  .Attr<int64_t>("iterations"));

// Floats of the tape that one atom takes.
extern "C" int64_t adiabat_tape_width(int64_t interactions, int64_t channels, int64_t hidden) {
  return Tape<Vec>(nullptr, {interactions, channels, hidden, 1, 1}, 1).size;
}

// Floats that the changes of the energies work with.
extern "C" int64_t adiabat_change_space(int64_t n_atoms, int64_t interactions, int64_t channels, int64_t hidden,
                                        int64_t elements, int64_t knots) {
  return change_space({interactions, channels, hidden, elements, knots}, n_atoms);
}

// Floats that the derivative by the weights works with.
extern "C" int64_t adiabat_slope_space(int64_t n_atoms, int64_t interactions, int64_t channels, int64_t hidden,
                                       int64_t elements, int64_t knots) {
  return 2 * n_atoms + slope_space({interactions, channels, hidden, elements, knots}, n_atoms);
}
