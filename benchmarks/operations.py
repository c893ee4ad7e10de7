"""How many floating point operations energies and forces take, counted from the formulas of the network.

A product and a sum count as one each. What is counted is what the formulas need (networks/kernel does just
that): edges within the cut-off, no padding, no recomputation. Left out, a few in a hundred of the whole: the
geometry of the edges, biases, nonlinearities, receivers' weights.
"""

from typing import NamedTuple

from adiabat.networks.cartesian import CartesianNetwork

# Products and sums of one channel: what each edge adds to the sums, without its radial functions, ...
EDGE, EDGE_LATER = 2 * 17 + 3, 2 * 9
# ... and back: contractions of the cotangent with the harmonics, slopes by distance, envelope and direction;
# in later rounds also those of vectors and matrices, and what the atom's messages did to its neighbors.
EDGE_BACK, EDGE_BACK_LATER = 2 * 17 + 2 * 9 + 2 * 33, 2 * (9 + 4) + 2 * (17 + 4 + 9)
# Of the products of tensors: dot, contract, matrix_vector, outer and matrix_product of networks/tensors.py.
DOT, CONTRACT, MATRIX_VECTOR, OUTER, MATRIX_PRODUCT = 5, 12, 15, 20, 65
PRODUCTS = DOT + CONTRACT + 13 + (MATRIX_VECTOR + DOT) + OUTER + MATRIX_PRODUCT
PRODUCTS_LATER = 3 * DOT + 3 * CONTRACT + 2 * (MATRIX_VECTOR + DOT) + OUTER + MATRIX_PRODUCT
# Channels times channels of vectors and matrices that are mixed, and of features that are sent.
SENT = 1 + 3 + 6


class Operations(NamedTuple):
    """Of one call, forward and back together.

    Attributes:
        edges: sums over neighbors.
        products: of tensors on atoms.
        layers: linear maps of features on atoms.
    """

    edges: float
    products: float
    layers: float


def operations(
    network: CartesianNetwork, n_atoms: int, n_edges: int, *, by_tables: bool = True
) -> Operations:
    """Those of energies and forces.

    Args:
        network: for its sizes.
        n_atoms: of the structure.
        n_edges: both directions of a pair count.
        by_tables: radial functions are cubic splines, four coefficients each; else perceptrons on each edge,
            as the network itself has them.
    """
    channels, edges, products, layers = network.channels, 0.0, 0.0, 0.0
    layers += 4 * (channels * network.n_interactions + 1) * channels
    for number, interaction in enumerate(network.interactions):
        later = number > 0
        n_sets = len(interaction.radial.outputs)
        maps = [*interaction.radial.outputs, interaction.radial.hidden]
        # Values and slopes take a spline twice on the way back, a perceptron once more.
        radial = 3 * 8 * n_sets * channels if by_tables else 4 * sum(m.weight.size for m in maps)
        one = EDGE + EDGE_BACK + later * (EDGE_LATER + EDGE_BACK_LATER)
        edges += radial + channels * one
        # Each product has two factors to give a derivative to.
        products += 3 * channels * (PRODUCTS + later * PRODUCTS_LATER)
        layers += 4 * sum(layer.weight.size for layer in interaction.invariants.layers)
        if later:
            layers += 4 * SENT * channels**2
        if interaction.vectors is not None and interaction.matrices is not None:
            layers += 4 * (3 * interaction.vectors.weight.size + 6 * interaction.matrices.weight.size)
    return Operations(n_edges * edges, n_atoms * products, n_atoms * layers)
