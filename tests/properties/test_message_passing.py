"""Graphs of molecules, and the network on them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rdkit import Chem

from adiabat.base import UnsupportedError
from adiabat.properties.graphs import N_ATOM_FEATURES, N_BOND_FEATURES, graph, joined
from adiabat.properties.message_passing import MessagePassing, arriving, leaving

CHIRAL = (
    "C[C@H](N)C(=O)O",
    "CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O",
    "C/C(Cl)=C/C[C@@]1(O)CC[C@H](F)CC1",
    r"F/C=C\C=C\[C@H](Br)C",
    "C[C@@]12CC[C@H]3[C@H]([C@@H]1CC[C@@H]2O)CCC4=CC(=O)CC[C@]34C",
)


def network(width=7, depth=3):
    return MessagePassing(width=width, depth=depth, key=jax.random.key(0))


def test_against_the_formulas_written_out():
    """Three atoms, by loops over atoms and bonds."""
    net, one = network(), graph("CC=O")
    assert one.atoms.shape == (3, N_ATOM_FEATURES)
    assert one.bonds.shape == (2, N_BOND_FEATURES)
    directed = [(int(v), int(w), k) for k, (a, b) in enumerate(one.ends) for v, w in ((a, b), (b, a))]
    start = {(v, w): net.first.weight @ np.r_[one.atoms[v], one.bonds[k]] for v, w, k in directed}
    hidden = {edge: np.maximum(value, 0) for edge, value in start.items()}

    def arrived(v, but=-1):
        return sum((hidden[a, b] for a, b in hidden if b == v and a != but), np.zeros(7))

    for layer in net.rounds:
        hidden = {(v, w): np.maximum(start[v, w] + layer.weight @ arrived(v, but=w), 0) for v, w in hidden}
    atoms = [
        np.maximum(net.last.weight @ np.r_[one.atoms[v], arrived(v)] + net.last.bias, 0) for v in range(3)
    ]
    np.testing.assert_allclose(net(joined([one]))[0], np.mean(atoms, axis=0), rtol=1e-5)


@pytest.mark.parametrize("smiles", CHIRAL)
def test_the_order_of_atoms_does_not_matter_but_handedness_does(smiles):
    net, mol = network(), Chem.MolFromSmiles(smiles)
    expected = np.asarray(net(joined([graph(smiles)])))
    random = np.random.default_rng(0)
    for _ in range(20):
        order = random.permutation(mol.GetNumAtoms()).tolist()
        other = Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False)
        np.testing.assert_allclose(net(joined([graph(other)])), expected, rtol=1e-4, atol=1e-6)
    mirrored = smiles.replace("@@", "#").replace("@", "@@").replace("#", "@")
    mirrored = mirrored.replace("/C(Cl)=C/", r"/C(Cl)=C\ ".strip()) if "Cl" in smiles else mirrored
    assert np.abs(net(joined([graph(mirrored)])) - expected).max() > 1e-3
    flat = [np.asarray(net(joined([graph(one, stereo=False)]))) for one in (smiles, mirrored)]
    np.testing.assert_allclose(*flat, rtol=1e-6)


def test_padding_and_company_do_not_matter():
    net = network()
    names = ["CCO", "c1ccccc1O", "C", "CC(=O)Nc1ccc(O)cc1"]
    graphs = [graph(name) for name in names]
    together = net(joined(graphs, n_atoms=60, n_edges=120, n_molecules=7, max_bonds=6))
    assert together.shape == (7, 7)
    for row, one in zip(together, graphs, strict=False):
        np.testing.assert_allclose(row, net(joined([one]))[0], rtol=1e-5, atol=1e-7)
    assert not np.any(together[4:])


def test_derivatives_are_those_of_plain_sums():
    graphs = jax.tree.map(
        jnp.asarray, joined([graph("CCO"), graph("CC(=O)Nc1ccc(O)cc1")], n_atoms=20, n_edges=40)
    )
    random = np.random.default_rng(0)
    edges, weights = (jnp.asarray(random.normal(size=(40, 3))) for _ in range(2))
    atoms = jnp.asarray(random.normal(size=(20, 3)))

    def ours(edges, atoms):
        return jnp.sum(jnp.sin(arriving(edges, graphs)) * atoms) + jnp.sum(
            leaving(atoms, graphs) ** 2 * weights
        )

    def plain(edges, atoms):
        target = graphs.source[graphs.reverse]
        summed = jnp.zeros((20, 3)).at[target[:26]].add(edges[:26])
        return jnp.sum(jnp.sin(summed) * atoms) + jnp.sum((atoms[graphs.source] ** 2 * weights)[:26])

    used = np.arange(40) < 26
    assert int(np.unique(graphs.incoming).max()) == 40
    weights = jnp.where(used[:, None], weights, 0.0)
    for one, other in zip(
        jax.grad(ours, (0, 1))(edges, atoms), jax.grad(plain, (0, 1))(edges, atoms), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_members_of_an_ensemble_at_once():
    """By vmap over the weights: as each alone."""
    keys = jax.random.split(jax.random.key(1), 3)
    members = eqx.filter_vmap(lambda key: MessagePassing(width=7, depth=3, key=key))(keys)
    graphs = joined([graph("CCO"), graph("c1ccccc1")])
    together = eqx.filter_vmap(lambda net: net(graphs))(members)
    for key, found in zip(keys, together, strict=True):
        np.testing.assert_allclose(
            found, MessagePassing(width=7, depth=3, key=key)(graphs), rtol=1e-5, atol=1e-7
        )


def test_a_cage_of_metal_is_refused():
    with pytest.raises(UnsupportedError, match="bonds"):
        graph("[U](F)(F)(F)(F)(F)(F)(F)(F)F")
