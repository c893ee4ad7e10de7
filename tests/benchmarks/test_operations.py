"""Operations counted from the formulas against those that XLA counts."""

import jax
import jax.numpy as jnp
import pytest
from benchmarks.operations import operations

from adiabat.networks.cartesian import CartesianNetwork
from adiabat.system import neighbor_list
from adiabat.testing.systems import water


def test_operations_are_those_that_xla_counts():
    """Within a tenth, for all edges and perceptrons in place of tables: XLA also counts the geometry, biases
    and nonlinearities, and finds some products in common."""
    neighbors = jax.tree.map(jnp.asarray, neighbor_list(water(8), 5.0))
    n_atoms, n_neighbors = neighbors.index.shape
    settings = {"channels": 16, "n_interactions": 2, "n_elements": 1, "density": 10.0}
    network = CartesianNetwork(**settings, key=jax.random.key(0))
    vectors = jnp.ones((n_atoms, n_neighbors, 3), jnp.float32)

    def energy(vectors, envelope):
        return jnp.sum(network(jnp.zeros(n_atoms, int), vectors, envelope, neighbors))

    call = jax.jit(jax.value_and_grad(energy, argnums=(0, 1)))
    analysis = call.lower(vectors, vectors[..., 0]).compile().cost_analysis()
    counted = sum(operations(network, n_atoms, n_atoms * n_neighbors, by_tables=False))
    assert counted == pytest.approx(analysis["flops"], rel=0.1)
