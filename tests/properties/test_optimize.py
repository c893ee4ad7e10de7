"""Molecules improved within limits: edits, the surrogate, the search, and its exact repetition."""

import dataclasses
import itertools

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import Crippen, Descriptors, rdFingerprintGenerator
from scipy.stats import norm

from adiabat.base import ConfigError, DataError
from adiabat.properties import Standardizer
from adiabat.properties.filters import Filters, synthetic_accessibility
from adiabat.properties.fingerprints import count_morgan, similarities
from adiabat.properties.optimize import (
    Edits,
    Fragments,
    Limits,
    Objective,
    Search,
    choose_molecules,
    expected_improvement,
    optimize_molecules,
)
from adiabat.properties.optimize.crossover import cross
from adiabat.properties.optimize.edits import Editor
from adiabat.properties.optimize.mutations import mutate
from adiabat.properties.optimize.surrogate import Surrogate
from adiabat.properties.optimize.transformations import table, transform
from adiabat.properties.ranking import hypervolume

PARACETAMOL = "CC(=O)Nc1ccc(O)cc1"
CELECOXIB = "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1"
SMALL = Search(evaluations=60, first=20, batch=10, population=20, proposals=60, generations=2)
SIMILARITY = Objective("similarity")
MORGAN = rdFingerprintGenerator.GetMorganGenerator(2)


def similarity_to(target):
    wanted = MORGAN.GetSparseCountFingerprint(Chem.MolFromSmiles(target))

    def scores(smiles):
        prints = [MORGAN.GetSparseCountFingerprint(Chem.MolFromSmiles(text)) for text in smiles]
        values = np.array(DataStructs.BulkTanimotoSimilarity(wanted, prints))[:, None]
        return values, np.zeros_like(values)

    return scores


def lightness_and_logp(smiles):
    mols = [Chem.MolFromSmiles(text) for text in smiles]
    values = np.array([[Descriptors.MolWt(mol), Crippen.MolLogP(mol)] for mol in mols])
    return values, np.tile([0.0, 0.1], (len(mols), 1))


BOTH = [Objective("weight", "minimize"), Objective("logP", (1.0, 2.0))]


def test_expected_improvement_is_the_integral():
    for mean, spread, best in [(0.3, 0.5, 0.7), (-1.0, 0.2, 0.0), (2.0, 0.1, 1.0), (0.0, 3.0, 0.0)]:
        gain = norm(mean, spread).expect(
            lambda y, best=best: max(y - best, 0.0), lb=best, ub=max(best, mean) + 12 * spread
        )
        found = expected_improvement(np.array([mean]), np.array([spread]), best)[0]
        assert found == pytest.approx(gain, rel=1e-5, abs=1e-9)
    assert expected_improvement(np.array([1.5]), np.array([0.0]), 1.0)[0] == pytest.approx(0.5)
    assert expected_improvement(np.array([0.5]), np.array([0.0]), 1.0)[0] == 0.0


def test_hypervolume_by_hand():
    assert hypervolume(np.array([[3.0], [5.0]]), np.array([1.0])) == 4.0
    # A staircase: 1 x 3 + 1 x 2 + 1 x 1; a dominated point and one below the reference add nothing.
    stairs = np.array([[1.0, 3], [2, 2], [3, 1], [1, 1], [-1, 9]])
    assert hypervolume(stairs, np.zeros(2)) == 6.0
    # Two boxes of 2 x 2 x 1 and 1 x 1 x 3 have a unit cube in common.
    assert hypervolume(np.array([[2.0, 2, 1], [1, 1, 3]]), np.zeros(3)) == 4 + 3 - 1
    assert hypervolume(np.array([[3.0, 3, 2], [2, 2, 4]]), np.ones(3)) == 4 + 3 - 1
    assert hypervolume(np.zeros((0, 2)), np.zeros(2)) == 0.0


def test_desirabilities_by_hand():
    values, spread = np.array([1.0, 4.0, 7.0]), np.array([0.0, 0.5, 1.0])
    assert Objective("a").desirability(values, spread, 2.0, 1.0).tolist() == [0.5, 1.75, 3.0]
    assert Objective("a", "minimize").desirability(values, spread, 2.0, 1.0).tolist() == [-0.5, -2.25, -4.0]
    assert Objective("a", 4.0).desirability(values, spread, 2.0, 0.0).tolist() == [-0.5, 1.0, -0.5]
    assert Objective("a", (3.0, 5.0)).desirability(values, spread, 2.0, 1.0).tolist() == [0.0, 1.0, -0.5]
    assert Objective("a", (3.0, np.inf)).desirability(values, spread, 1.0, 0.0).tolist() == [-1.0, 1.0, 1.0]


def test_surrogate_is_the_textbooks():
    """Mean and variance of a Gaussian process written out, and its most likely noise and amplitude."""
    names = [
        "CCO",
        "CCCO",
        "CCCCO",
        "c1ccccc1",
        "Cc1ccccc1",
        "CCN",
        "CC(=O)O",
        "CCCC(=O)O",
        "c1ccncc1",
        "CCCCN",
    ]
    values = np.array([[Crippen.MolLogP(mol), Crippen.MolMR(mol)] for mol in map(Chem.MolFromSmiles, names)])
    counts, others = count_morgan(names), count_morgan(["CCCCCO", "Cc1ccncc1", "CCC(=O)O"])
    surrogate = Surrogate.fit(counts, values)
    posterior = surrogate.predict(others)
    kernel = surrogate.kernel.between(counts, counts) + surrogate.noise * np.eye(len(names))
    inverse, cross_kernel = np.linalg.inv(kernel), surrogate.kernel.between(others, counts)
    ones = np.ones(len(names))
    means = ones @ inverse @ values / (ones @ inverse @ ones)
    np.testing.assert_allclose(posterior.mean, means + cross_kernel @ inverse @ (values - means), atol=1e-9)
    own = np.diag(surrogate.kernel.between(others, others))
    variance = own - np.einsum("ij,jk,ik->i", cross_kernel, inverse, cross_kernel)
    np.testing.assert_allclose(posterior.variance, variance, atol=1e-9)
    rest = values - means
    np.testing.assert_allclose(
        surrogate.amplitudes, np.einsum("ik,ij,jk->k", rest, inverse, rest) / len(names)
    )
    # Believing a molecule is the same as having it among the known ones.
    together = np.concatenate([counts, others[:1]])
    larger = surrogate.kernel.between(together, together) + surrogate.noise * np.eye(len(names) + 1)
    to_it = surrogate.kernel.between(others, together)
    posterior.believe(0)
    expected = own - np.einsum("ij,jk,ik->i", to_it, np.linalg.inv(larger), to_it)
    np.testing.assert_allclose(posterior.variance, expected, atol=1e-9)


def test_what_adds_up_is_learned_as_such():
    """logP by Crippen's atoms is nearly a sum over environments: the additive kernel is chosen."""
    names = ["C" * n + end for n in range(1, 9) for end in ("O", "N", "c1ccccc1", "C(=O)O")]
    values = np.array([[Crippen.MolLogP(Chem.MolFromSmiles(name))] for name in names])
    apart = np.array([name.startswith("CCCCC") and not name.startswith("CCCCCC") for name in names])
    counts = count_morgan(names)
    surrogate = Surrogate.fit(counts[~apart], values[~apart])
    assert apart.sum() == 4
    assert surrogate.kernel.additive > 0
    assert np.abs(surrogate.predict(counts[apart]).mean - values[apart]).max() < 0.15


@pytest.mark.parametrize("edit", ["cross", "mutate", "transform"])
def test_edits_give_molecules(edit):
    random = np.random.default_rng(0)
    parents = [
        Chem.MolFromSmiles(text)
        for text in (CELECOXIB, "C[C@H](N)C(=O)N[C@@H](C)c1ccsc1C#N", "CN1CCN(CC1)c1ccc2[nH]c(C)cc2c1", "CCO")
    ]
    before = [Chem.MolToSmiles(mol) for mol in parents]
    words = set()
    for k in range(200):
        one, other = parents[k % 4], parents[(k // 4) % 4]
        made = {
            "cross": lambda one=one, other=other: cross(one, other, random),
            "mutate": lambda one=one: mutate(one, random),
            "transform": lambda one=one: transform(one, random),
        }[edit]()
        if made is None:
            continue
        child, what = made
        Chem.SanitizeMol(child)
        assert "." not in Chem.MolToSmiles(child)
        assert "*" not in Chem.MolToSmiles(child)
        words.add(what)
    assert [Chem.MolToSmiles(mol) for mol in parents] == before
    assert len(words) >= {"cross": 2, "mutate": 12, "transform": 40}[edit]


def test_configurations_survive_where_they_can():
    """A child by crossover has the configurations of the halves that it is made of."""
    random = np.random.default_rng(1)
    one, other = Chem.MolFromSmiles("C[C@H](N)C(=O)NCc1ccccc1"), Chem.MolFromSmiles("C[C@H](N)C(=O)OCC")
    kept = 0
    for _ in range(60):
        child = Editor(Edits(mutation=0, transformation=0)).child(
            [Chem.MolToSmiles(one), Chem.MolToSmiles(other)], np.ones(2), random
        )
        if child is not None and Chem.MolFromSmiles(child.smiles).HasSubstructMatch(
            Chem.MolFromSmarts("[CH3]C(N)C(=O)[!#1]")
        ):
            pattern = Chem.MolFromSmarts("[CH3][C@H](N)C(=O)[!#1]")
            assert Chem.MolFromSmiles(child.smiles).HasSubstructMatch(pattern, useChirality=True), child
            kept += 1
    assert kept > 5


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("acid to tetrazole", "OC(=O)c1ccccc1", "c1ccc(-c2nnn[nH]2)cc1"),
        ("amide reversed", "CCC(=O)NC1CC1", "CCNC(=O)C1CC1"),
        ("aromatic CH to N", "Cc1ccccc1", "Cc1ccncc1"),
        ("ring N moved", "Cc1ccccn1", "Cc1cccnc1"),
        ("phenyl to thiophene", "Cc1ccccc1", "Cc1cccs1"),
        ("CH2 to O", "C1CCCCN1C", "CN1CCCOC1"),
        ("saturated ring reduced", "CN1CCCCC1", "CN1CCCC1"),
        ("saturated ring enlarged", "CN1CCCC1", "CN1CCCCC1"),
        ("aromatic H to cyano", "c1ccccc1", "N#Cc1ccccc1"),
        ("Cl to methoxy on an aromatic ring", "Clc1ccccc1", "COc1ccccc1"),
        ("alcohol to ketone", "CC[C@H](C)O", "CCC(C)=O"),
    ],
)
def test_transformations(name, before, after):
    from adiabat.properties.optimize import transformations

    mol, (_, reaction) = Chem.MolFromSmiles(before), transformations._reaction(name)
    products = set()
    for product in reaction.RunReactants((mol,)):
        made = transformations._released(product[0])
        Chem.SanitizeMol(made)
        products.add(Chem.CanonSmiles(Chem.MolToSmiles(made)))
    assert Chem.CanonSmiles(after) in products


def test_the_whole_table_is_read():
    from adiabat.properties.optimize import transformations

    assert len(table()) > 400
    assert all(transformations._reaction(name) for name in table())


def test_fragments_of_a_library():
    library = ["CC(=O)Nc1ccccc1", "O=C(NCc1ccco1)C1CC1", "COc1ccc(CN2CCOCC2)cc1"]
    fragments, random = Fragments(library), np.random.default_rng(0)
    assert len(fragments) >= 4
    made = {
        Chem.CanonSmiles(Chem.MolToSmiles(fragments.exchange(Chem.MolFromSmiles(library[0]), random)[0]))
        for _ in range(40)
    }
    assert "O=C(Nc1ccccc1)C1CC1" in made
    assert all(Chem.MolFromSmiles(text) is not None and "*" not in text for text in made)
    with pytest.raises(ConfigError, match="no fragments"):
        Fragments(["CC", "not a molecule"])


def test_a_small_molecule_is_rediscovered():
    search = dataclasses.replace(SMALL, evaluations=400, proposals=150)
    found = optimize_molecules(
        ["CCO", "c1ccccc1", "CC(=O)OC"],
        similarity_to(PARACETAMOL),
        [SIMILARITY],
        search=search,
        until=lambda state: np.nanmax(state.archive.mean) == 1,
    )
    best = found.best(1)[0]
    assert found.archive.smiles[best] == PARACETAMOL
    assert found.done == "what was asked for is reached"
    assert len(found.archive) < 250
    # From the start to the end each step names parents that come before it.
    steps = found.archive.lineage(PARACETAMOL)
    seen = set()
    for step in steps:
        assert set(step.origin.parents) <= seen
        assert step.origin.edit
        seen.add(step.smiles)
    assert steps[-1].smiles == PARACETAMOL
    with pytest.raises(DataError, match="none of the molecules"):
        found.archive.lineage("CCCCCCCCCCCCC")


def test_what_is_proposed_keeps_the_limits():
    start = "CC(=O)Nc1ccc(OCC)cc1"
    limits = Limits(
        scaffold="c1ccccc1N",
        least_similarity=0.25,
        most_heavy_atoms=20,
        filters=Filters(rules=["pains"], forbidden=["[Br,I]"], most_sa=2.5),
    )
    found = optimize_molecules([start], lightness_and_logp, BOTH, limits=limits, search=SMALL)
    archive, standardize = found.archive, Standardizer()
    assert len(archive) == SMALL.evaluations
    assert len(set(archive.smiles)) == len(archive)
    assert not any(archive.broken)
    alike = similarities(count_morgan(archive.smiles), count_morgan([start]))
    assert alike.min() >= 0.25
    for text in archive.smiles:
        mol = Chem.MolFromSmiles(text)
        assert standardize(text) == text
        assert mol.HasSubstructMatch(Chem.MolFromSmarts("c1ccccc1[#7]"))
        assert mol.GetNumHeavyAtoms() <= 20
        assert not mol.HasSubstructMatch(Chem.MolFromSmarts("[Br,I]"))
        assert synthetic_accessibility(mol) <= 2.5
    front = found.front()
    values = found.desirabilities
    assert all(not ((values > values[k]).all(axis=1)).any() for k in front)
    assert np.argmax(found.total) in found.best(1)


def test_the_seed_decides():
    runs = [
        optimize_molecules([PARACETAMOL], lightness_and_logp, BOTH, search=SMALL, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert runs[0].archive.smiles == runs[1].archive.smiles
    assert runs[0].archive.origins == runs[1].archive.origins
    np.testing.assert_array_equal(runs[0].archive.mean, runs[1].archive.mean)
    assert runs[0].archive.smiles != runs[2].archive.smiles


def test_a_stopped_search_goes_on_as_if_it_had_not(tmp_path):
    def run(folder, until=None, **changes):
        return optimize_molecules(
            [PARACETAMOL],
            lightness_and_logp,
            BOTH,
            search=dataclasses.replace(SMALL, **changes),
            until=until,
            folder=folder,
            seed=3,
        )

    whole = run(None)
    part = run(tmp_path, until=lambda state: len(state.archive) >= 35)
    assert len(part.archive) < SMALL.evaluations

    def dies(_):
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):  # in the middle of a round: nothing of it remains
        optimize_molecules([PARACETAMOL], dies, BOTH, search=SMALL, folder=tmp_path, seed=3)
    rest = run(tmp_path)
    assert rest.archive.smiles == whole.archive.smiles
    assert list(rest.archive.origins.items()) == list(whole.archive.origins.items())
    np.testing.assert_array_equal(rest.archive.mean, whole.archive.mean)
    assert len(run(tmp_path, evaluations=70).archive) == 70
    with pytest.raises(ConfigError, match="another search"):
        run(tmp_path, batch=5)


def test_molecules_that_cannot_be_scored_are_passed_over():
    inner = similarity_to(PARACETAMOL)

    def scores(smiles):
        mean, spread = inner(smiles)
        mean[[len(text) % 3 == 0 for text in smiles]] = np.nan
        return mean, np.where(np.isnan(mean), np.nan, spread)

    found = optimize_molecules(["CCO", "c1ccccc1"], scores, [SIMILARITY], search=SMALL)
    assert np.isnan(found.archive.mean).any()
    assert np.isfinite(found.archive.mean[found.best(10)]).all()


def test_the_uncertain_is_judged_by_its_worst():
    """Of two equal values the surer one is better."""
    found = optimize_molecules(
        ["CCO", "CCN"],
        lambda smiles: (np.ones((len(smiles), 1)), np.array([[0.5 * ("N" in text)] for text in smiles])),
        [SIMILARITY],
        search=Search(evaluations=2),
    )
    assert found.total.tolist() == [1.0, 0.5]


def test_a_planted_molecule_is_found_in_a_library():
    heads = ["CC(=O)N", "CS(=O)(=O)N", "O=C(O)", "N#C", "CO", "FC(F)(F)", "CN(C)C(=O)", "NC(=O)"]
    tails = ["C", "CC", "Cl", "OC", "C#N", "C(=O)O", "N", "O", "F", "C(F)(F)F"]
    rings = ["c1ccc({})cc1", "c1cccc({})c1", "c1ccnc({})c1", "c1ccc({})s1", "C1CCC({})CC1"]
    library = sorted(
        {Chem.CanonSmiles(head + ring.format(tail)) for head in heads for tail in tails for ring in rings}
    )
    scores = similarity_to("CS(=O)(=O)Nc1ccc(OC)cc1")
    best = library[int(np.argmax(scores(library)[0]))]
    found = choose_molecules(
        library,
        scores,
        [SIMILARITY],
        search=Search(evaluations=len(library), first=15, batch=5),
        until=lambda state: best in state.archive,
    )
    assert len(library) == 376
    assert len(found.archive) <= 40  # random search needs 188 on average


def test_a_stopped_choice_goes_on_as_if_it_had_not(tmp_path):
    library = [f"{'C' * n}{end}" for n in range(1, 30) for end in ("O", "N", "Cl")]
    objectives, small = [SIMILARITY], Search(evaluations=30, first=10, batch=4)

    def choose(folder, scores=similarity_to("CCCCCO"), library=library, **changes):
        search = dataclasses.replace(small, **changes)
        return choose_molecules(library, scores, objectives, search=search, folder=folder, seed=1)

    whole = choose(None)
    times = itertools.count()

    def dies(smiles):
        if next(times) == 3:
            raise RuntimeError("killed")
        return similarity_to("CCCCCO")(smiles)

    with pytest.raises(RuntimeError, match="killed"):
        choose(tmp_path, dies)
    asked = []
    rest = choose(tmp_path, lambda smiles: asked.extend(smiles) or similarity_to("CCCCCO")(smiles))
    assert asked == whole.archive.smiles[18:]
    assert rest.archive.smiles == whole.archive.smiles
    np.testing.assert_array_equal(rest.archive.mean, whole.archive.mean)
    assert len(choose(tmp_path, evaluations=34).archive) == 34
    for changed in ({"batch": 5}, {"library": library[1:]}):
        with pytest.raises(ConfigError, match="holds a search with another"):
            choose(tmp_path, **changed)


WRONG = {
    "start": ({"start": ["C1CC"]}, DataError, "not a SMILES"),
    "mixture": ({"start": ["CCCc1ccccc1.CCCCCCN"]}, DataError, "mixture"),
    "nothing": ({"start": []}, DataError, "no molecule"),
    "objectives": ({"objectives": []}, ConfigError, "nothing to optimize"),
    "scaffold": ({"limits": Limits(scaffold="c1ccncc1")}, ConfigError, "does not have the scaffold"),
    "pattern": ({"limits": Limits(scaffold="((")}, ConfigError, "neither SMILES nor SMARTS"),
    "large scaffold": (
        {"limits": Limits(scaffold="c1ccccc1", most_heavy_atoms=5)},
        ConfigError,
        "scaffold has 6 atoms",
    ),
    "contradiction": (
        {"limits": Limits(scaffold="c1ccccc1", filters=Filters(forbidden=["c1ccccc1"]))},
        ConfigError,
        "none of .* edited molecules keeps the limits.*has c1ccccc1",
    ),
    "shape": ({"scores": lambda smiles: (np.zeros(len(smiles)),) * 2}, DataError, "shapes"),
    "spread": (
        {"scores": lambda smiles: (np.zeros((len(smiles), 1)), -np.ones((len(smiles), 1)))},
        DataError,
        "negative",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_told(case):
    changes, error, words = WRONG[case]
    asked = {
        "start": [PARACETAMOL],
        "scores": similarity_to("CCO"),
        "objectives": [SIMILARITY],
        "search": SMALL,
    } | changes
    with pytest.raises(error, match=words):
        optimize_molecules(asked.pop("start"), asked.pop("scores"), asked.pop("objectives"), **asked)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Limits(least_similarity=1.2), "not from 0"),
        (lambda: Limits(filters=Filters(most_sa=0.5)), "begins at 1"),
        (lambda: Limits(filters=Filters(least_qed=1.0)), "ends below 1"),
        (lambda: Objective("a", "up"), "cannot be"),
        (lambda: Objective("a", (3.0, 1.0)), "no value is from"),
        (lambda: Objective("a", weight=0.0), "has to be positive"),
        (lambda: Search(batch=0), "1 or more"),
        (lambda: Search(caution=-1.0), "not negative"),
        (lambda: Edits(crossover=0, mutation=0, transformation=0), "shares"),
        (lambda: choose_molecules([], similarity_to("C"), [SIMILARITY]), "nothing to choose"),
    ],
)
def test_demands_that_nothing_meets(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_property_models_are_asked_for_their_targets():
    from adiabat.properties.inputs import Input
    from adiabat.properties.molecules import Molecules
    from adiabat.properties.optimize import scores_of

    model = alkyls()
    scores = scores_of([model], [Objective("MR"), Objective("logP")])
    mean, spread = scores(["CCCO", "CCCCN"])
    said = model.predict(Molecules(("CCCO", "CCCCN")))
    np.testing.assert_array_equal(mean, said.values[:, ::-1])
    np.testing.assert_array_equal(spread, said.errors[:, ::-1])
    with pytest.raises(ConfigError, match="no model predicts 'logS'") as caught:
        scores_of([model], [Objective("logS")])
    assert "logP" in str(caught.value)
    with pytest.raises(ConfigError, match="two models predict"):
        scores_of([model, model], [Objective("MR")])
    for inputs, words in (
        ((Input("T", "number"), Input("GFN2-xTB", "quantum")), "a model needs 'T' beside the molecule"),
        (
            (Input("GFN2-xTB", "quantum"),),
            "what GFN2-xTB computes of each molecule.*\n.*adiabat property distill",
        ),
    ):
        with pytest.raises(ConfigError, match=words):
            scores_of([dataclasses.replace(model, inputs=inputs)], [Objective("MR")])


def alkyls():
    """A model of Crippen's logP and molar refractivity of small molecules."""
    from adiabat.properties.model import fit_property_model
    from adiabat.properties.molecules import Molecules
    from adiabat.properties.table import Table

    names = tuple("C" * n + end for n in range(1, 11) for end in ("O", "N", "C(=O)O", "Cl"))
    mols = [Chem.MolFromSmiles(name) for name in names]
    values = np.array([[Crippen.MolLogP(mol), Crippen.MolMR(mol)] for mol in mols])
    table = Table(names, np.arange(len(names)), ("logP", "MR"), values, np.zeros(values.shape, int))
    return fit_property_model(table, Molecules(names), kinds=["nearest"])[0]


def test_nothing_is_proposed_that_a_model_does_not_know():
    from adiabat.properties.optimize import scores_of

    objectives = [Objective("logP")]
    scores = scores_of([alkyls()], objectives)
    search = Search(evaluations=60, first=20, proposals=60, generations=2)
    verdicts = {}
    for name, domains in (("known", scores.domains), ("any", ())):
        limits = Limits(domains=domains)
        found = optimize_molecules(["CCCCO"], scores, objectives, limits=limits, search=search, seed=3)
        verdicts[name] = scores.trust(found, found.best(60)).verdict
    assert verdicts["known"].min() > 0
    assert (verdicts["any"] == 0).mean() > 0.5
    with pytest.raises(ConfigError, match="outside of what a model knows"):
        optimize_molecules(
            ["c1ccc2ccccc2c1"], scores, objectives, limits=Limits(domains=scores.domains), search=search
        )


def test_intervals_of_the_best_hold_although_they_were_chosen():
    """Values are pure noise, and the best have the errors that favor them most: of usual 90 % intervals of
    the ten best hardly any holds the true value, of those that know of the choice nine in ten do."""
    from adiabat.properties.optimize import Archive, Optimization, scores_of

    random, model = np.random.default_rng(5), alkyls()
    scores = scores_of([model], [Objective("logP")])
    width = model.calibration.width(0.9)[0]
    names = ["C" * n + end for n in range(1, 101) for end in "ONFS"]
    plain, held = [], []
    for _ in range(30):
        errors = random.normal(size=400) * width / 1.645
        archive = Archive(errors[:, None], np.ones((400, 1)), names, [""] * 400)
        best = (found := Optimization((Objective("logP"),), archive, 0.0, 50)).best(10)
        trust = scores.trust(found, best)
        plain += (np.abs(errors[best]) <= width).tolist()
        held += ((trust.lower[:, 0] <= 0) & (trust.upper[:, 0] >= 0)).tolist()
    far = Archive(np.array([[50.0]]), np.ones((1, 1)), ["CCO"], [""])
    trust = scores.trust(Optimization((Objective("logP"),), far, 0.0, 1), [0])
    assert trust.lower[0, 0] == pytest.approx(model.targets[0].high)
    assert np.mean(plain) < 0.02
    assert np.mean(held) > 0.87


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("logS=maximize", "maximize"),
        ("logS = minimize", "minimize"),
        ("logS=-3", -3.0),
        ("logS=-3..-1.5", (-3.0, -1.5)),
        ("log S>=1e-1", (0.1, np.inf)),
        ("logS<=3", (-np.inf, 3.0)),
    ],
)
def test_objectives_are_read(text, goal):
    from adiabat.tasks.property_optimize import read_objective

    assert read_objective(text) == Objective(text[:5].strip().rstrip("=><"), goal)


@pytest.mark.parametrize("text", ["logS", "logS=up", "logS>=1..2", "=3", "logS==3", ""])
def test_other_words_are_no_objectives(text):
    from adiabat.tasks.property_optimize import read_objective

    with pytest.raises(ConfigError, match="is not an objective"):
        read_objective(text)
