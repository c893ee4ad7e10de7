"""Sections on a trained model: its errors, how they fell, where they are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adiabat.report import figures
from adiabat.report.cards import (
    Chart,
    Columns,
    Facts,
    Figure,
    Frame,
    Section,
    Series,
    Status,
    Table,
    Verdict,
    Viewer,
)
from adiabat.report.errors import MEV, SetErrors
from adiabat.report.formatting import estimate, flattened, interval, number

FORCE_BAR = 43.4  # meV/Å: 1 kcal/mol/Å
ENERGY_BAR = 43.4  # meV: 1 kcal/mol
ENERGY_BAR_PER_ATOM = 1.0  # meV/atom, where that is more
_MAX_SHARED_ROWS = 2000
# Columns of the table of errors where there are such labels, and their keys among the metrics.
_MORE_ERRORS = {
    "stress MAE [GPa]": "stress_mae_gpa",
    "dipole RMSE [D]": "dipole_rmse_debye",
    "dipole MAE [D]": "dipole_mae_debye",
}


def training_sections(
    *,
    history: Sequence[Mapping[str, Any]],
    evaluations: Mapping[str, Any],
    summary: Mapping[str, Any],
    worst: int = 6,
) -> list[Section]:
    """What to say of a trained model.

    Args:
        history: rows with `step`, `minutes`, `loss`, `learning_rate`, `train_force_rmse` [meV/Å],
            `valid_force_rmse_mev_per_ang`, `valid_energy_rmse_mev`, `valid_dipole_rmse_debye`; any may be
            missing.
        evaluations: by the name of the set, the most important first; see `SetErrors`. The verdicts are
            on the first that is not called "valid", since the validation set chose the weights.
        summary: facts about the model and its training, shown as they are; "errors" is left out.
        worst: how many of the worst structures of each set to show in 3D.
    """
    sets = [
        SetErrors(name, evaluation) for name, evaluation in evaluations.items() if len(evaluation.energies)
    ]
    sets.sort(key=lambda one: one.name.partition(" ")[0] == "valid")  # "valid gfn2": of another head
    summary = {name: value for name, value in summary.items() if name != "errors"}
    sections = [_accuracy(sets, summary)]
    if history:
        sections.append(_learning_curves(history))
    sections += _paths([one for one in sets if getattr(one.evaluation, "is_path", False)])
    if sets:
        sections += [_parity(sets), _where(sets)]
    if sets and worst:
        sections.append(_worst(sets, worst))
    return sections


def judged(value: float, bar: float, factor: float = 3.0) -> Status:
    """Good up to the bar, fair up to `factor` times the bar, poor beyond."""
    if not np.isfinite(value):
        return "unknown"
    return "good" if value <= bar else "fair" if value <= factor * bar else "poor"


def _accuracy(sets: Sequence[SetErrors], summary: Mapping[str, Any]) -> Section:
    verdicts: list[Verdict] = []
    cards: list[Any] = []
    if sets:
        verdicts = [*_force_verdict(sets), *_energy_verdict(sets)]
        cards.append(_errors_table(sets))
    if summary:
        cards.append(Facts(flattened(dict(summary)), title="Model"))
    lead = (
        "Errors on structures the training has not seen; a set called valid chose among the weights."
        if sets
        else ""
    )
    return Section("Accuracy", cards, verdicts=verdicts, lead=lead, citations=("bootstrap",) if sets else ())


def _force_verdict(sets: Sequence[SetErrors]) -> list[Verdict]:
    first = sets[0]
    rmse, low, high = first.force_rmse()
    if not np.isfinite(rmse):
        return []
    spread = float(np.std(first.flat_forces()[1])) * MEV
    trust = f"95 % interval {interval(low, high)} from {first.n_structures} structures of {first.name}"
    others = _others({one.name: one.force_rmse()[0] for one in sets[1:]})
    bar = f"good up to {FORCE_BAR:g} meV/Å (1 kcal/mol/Å)"
    bar += f"; {rmse / spread:.1%} of the forces' spread" if spread > 0 else ""
    return [
        Verdict("Force error (RMSE)", f"{number(rmse)} meV/Å", judged(rmse, FORCE_BAR), bar, trust + others)
    ]


def _energy_verdict(sets: Sequence[SetErrors]) -> list[Verdict]:
    first = sets[0]
    rmse, low, high = first.energy_rmse()
    if not np.isfinite(rmse):
        return []
    size = float(first.n_atoms.mean())
    limit = max(ENERGY_BAR, ENERGY_BAR_PER_ATOM * size)
    meaning = "1 kcal/mol" if limit == ENERGY_BAR else "1 meV per atom"
    bar = f"good up to {number(limit)} meV ({meaning}); {number(first.energy_rmse_per_atom())} meV per atom"
    trust = f"95 % interval {interval(low, high)} from {first.n_structures} structures of {first.name}"
    others = _others({one.name: one.energy_rmse()[0] for one in sets[1:]})
    return [Verdict("Energy error (RMSE)", f"{number(rmse)} meV", judged(rmse, limit), bar, trust + others)]


def _others(values: Mapping[str, float]) -> str:
    """The first two of the other sets that have the number."""
    known = [f"; {name}: {number(value)}" for name, value in values.items() if np.isfinite(value)]
    return "".join(known[:2])


def _errors_table(sets: Sequence[SetErrors]) -> Table:
    columns = ["set", "structures", "force RMSE [meV/Å]", "force MAE", "energy RMSE [meV]", "energy MAE",
               "energy RMSE per atom"]  # fmt: skip
    more = {
        title: key
        for title, key in _MORE_ERRORS.items()
        if any(key in getattr(one.evaluation, "metrics", {}) for one in sets)
    }
    rows = []
    for one in sets:
        force, energy = one.force_rmse(), one.energy_rmse()
        row = [one.name, number(one.n_structures), estimate(*force), number(one.force_mae())]
        row += [estimate(*energy), number(one.energy_mae()), number(one.energy_rmse_per_atom())]
        rows.append(row + [number(one.evaluation.metrics.get(key)) for key in more.values()])
    caption = (
        "Energies are per structure; in parentheses the 95 % bootstrap interval over structures. Frames of "
        "one trajectory are correlated: then the intervals are too narrow."
    )
    return Table(columns + list(more), rows, caption)


def _learning_curves(history: Sequence[Mapping[str, Any]]) -> Section:
    rows = list(history)
    rows = [rows[k] for k in np.unique(np.linspace(0, len(rows) - 1, _MAX_SHARED_ROWS, dtype=int))]
    x: dict[str, Any] = {}
    for label, key in (("step", "step"), ("minutes", "minutes")):
        values = [row.get(key) for row in rows]
        if all(value is not None for value in values):
            x[label] = values
    if not x:
        x["row"] = list(range(len(rows)))

    def chart(title: str, label: str, lines: Sequence[tuple[str, str, int]], alt: str) -> Chart | None:
        present = [line for line in lines if any(_positive(row.get(line[1])) is not None for row in rows)]
        if not present:
            return None
        series = [
            Series(name, [_positive(row.get(key)) for row in rows], color, points=_sparse(rows, key))
            for name, key, color in present
        ]
        return Chart(x, series, label, alt, title=title, log=True)

    charts = [
        chart("Force error", "RMSE [meV/Å]", [("training", "train_force_rmse", 0),
              ("validation", "valid_force_rmse_mev_per_ang", 1)], "Force error against training steps"),
        chart("Energy error", "RMSE [meV]", [("validation", "valid_energy_rmse_mev", 1)],
              "Energy error against training steps"),
        chart("Dipole error", "RMSE [D]", [("validation", "valid_dipole_rmse_debye", 1)],
              "Dipole error against training steps"),
        chart("Loss", "loss", [("training", "loss", 0)], "Loss against training steps"),
        chart("Learning rate", "learning rate", [("learning rate", "learning_rate", 2)],
              "Learning rate against training steps"),
    ]  # fmt: skip
    lead = "Logarithmic axes. The weights kept are those with the lowest validation error."
    return Section("Learning curves", [Columns([one for one in charts if one is not None])], lead=lead)


def _positive(value: Any) -> float | None:
    return float(value) if value is not None and np.isfinite(value) and value > 0 else None


def _sparse(rows: Sequence[Mapping[str, Any]], key: str) -> bool:
    return sum(row.get(key) is not None for row in rows) < 2


def _paths(sets: Sequence[SetErrors]) -> list[Section]:
    """Energies along torsions and reactions, each from its lowest frame."""
    cards = []
    for one in sets:
        predicted, references = one.evaluation.profile()
        metrics = one.evaluation.metrics
        if "barrier_mev" not in metrics:
            continue
        series = [
            Series("reference", MEV * references, 2, dashed=True),
            Series("model", MEV * predicted, 0),
        ]
        caption = (
            f"RMSE {number(metrics['profile_rmse_mev'])} meV; highest minus lowest "
            f"{number(metrics['barrier_mev'])} meV, the model's is off by "
            f"{metrics['barrier_error_mev']:+.3g} meV."
        )
        alt = f"Energy along {one.name}, reference and model"
        frames = {"frame": list(range(len(references)))}
        cards.append(Chart(frames, series, "energy [meV]", alt, title=one.name, caption=caption))
    lead = "Energies are counted from the frame whose reference is lowest."
    return [Section("Energies along paths", [Columns(cards)], lead=lead)] if cards else []


def _parity(sets: Sequence[SetErrors]) -> Section:
    from ase.data import chemical_symbols

    cards = []
    for one in sets:
        numbers, references, errors = one.flat_forces()
        panels = []
        for element in np.unique(numbers):
            mine = numbers == element
            wrong = errors[mine].ravel()
            note = f"RMSE {number(float(np.sqrt(np.mean(wrong**2))))} meV/Å\n{number(int(mine.sum()))} atoms"
            reference = references[mine].ravel()
            panels.append(
                figures.Parity(chemical_symbols[int(element)], reference, reference + wrong / MEV, note)
            )
        if panels:
            svg = figures.parity(panels, "force [eV/Å]", "meV/Å")
            alt = f"Predicted against reference force components of {one.name}, one panel for each element"
            cards.append(Figure(svg, alt, f"{one.name}: force components by element."))
    energy_panels = [_energy_panel(one) for one in sets if one.has_energies.any()]
    if energy_panels:
        svg = figures.parity(energy_panels, "energy [eV/atom]", "meV/atom")
        caption = "Energies per atom, relative to the mean reference energy of each set."
        cards.append(Figure(svg, "Predicted against reference energies, one panel for each set", caption))
    dipole_panels = [panel for one in sets if (panel := _dipole_panel(one)) is not None]
    if dipole_panels:
        svg = figures.parity(dipole_panels, "dipole [D]", "mD")
        caption = "Components of the dipoles, about the center of mass."
        cards.append(Figure(svg, "Predicted against reference dipoles, one panel for each set", caption))
    return Section("Predicted against reference", cards, lead="On the line is exact.")


def _energy_panel(one: SetErrors) -> figures.Parity:
    kept = one.has_energies
    reference = np.asarray(one.evaluation.reference_energies, np.float64)[kept] / one.n_atoms[kept]
    predicted = reference + one.energy_errors[kept] / MEV / one.n_atoms[kept]
    note = f"RMSE {number(one.energy_rmse()[0])} meV\n{number(int(kept.sum()))} structures"
    return figures.Parity(one.name, reference - reference.mean(), predicted - reference.mean(), note)


def _dipole_panel(one: SetErrors) -> figures.Parity | None:
    reference, predicted = one.dipoles()
    if not len(reference):
        return None
    rmse = float(np.sqrt(np.mean((predicted - reference) ** 2)))
    note = f"RMSE {number(rmse)} D\n{number(len(reference))} structures"
    return figures.Parity(one.name, reference.ravel(), predicted.ravel(), note)


def _where(sets: Sequence[SetErrors]) -> Section:
    cards: list[Any] = []
    lines = [_by_force_size(one) for one in sets if one.has_forces.any()]
    if lines:
        svg = figures.binned(lines, "size of the reference force [eV/Å]", "force RMSE [meV/Å]")
        caption = (
            "Atoms in bins of equal number, by the size of their reference force; bars: two standard errors."
        )
        cards.append(Figure(svg, "Force error in bins of the size of the reference force", caption))
    rows = []
    for one in sets:
        key, groups = one.groups()
        for value, chosen in groups.items():
            force, energy = one.force_rmse(chosen), one.energy_rmse(chosen)
            name = f"{one.name}, {key} {value}{' K' if key == 'temperature' else ''}"
            rows.append([name, number(int(chosen.sum())), estimate(*force), estimate(*energy)])
    if rows:
        columns = ["group", "structures", "force RMSE [meV/Å]", "energy RMSE [meV]"]
        cards.append(Table(columns, rows, "Errors by what the structures are tagged with."))
    return Section("Where the errors are", cards)


def _by_force_size(one: SetErrors, n_bins: int = 10) -> figures.Binned:
    _, references, errors = one.flat_forces()
    size = np.linalg.norm(references, axis=1)
    squared = np.mean(errors**2, axis=1)
    order = np.array_split(np.argsort(size, kind="stable"), min(n_bins, len(size)))
    middle = np.array([size[rows].mean() for rows in order])
    rmse = np.array([np.sqrt(squared[rows].mean()) for rows in order])
    scatter = np.array([squared[rows].std() / np.sqrt(len(rows)) for rows in order])
    return figures.Binned(one.name, middle, rmse, scatter / np.maximum(rmse, 1e-12))


def _worst(sets: Sequence[SetErrors], worst: int) -> Section:
    frames, rows = [], []
    for one in sets:
        score = np.where(one.has_forces, one.force_rmse_of_structures, -np.inf)
        for k in np.argsort(-score, kind="stable")[:worst]:
            if np.isfinite(score[k]):
                frame, row = _worst_frame(one, int(k))
                frames.append(frame)
                rows.append(row)
    if not frames:
        return Section("Worst structures", lead="No forces to judge structures by.")
    columns = ["structure", "force RMSE", "worst atom", "energy error"]
    viewer = Viewer(
        frames,
        "The structures with the largest force errors; arrows are reference and predicted forces",
        value_label="meV/Å, size of the force error of each atom",
        extra=Table(
            columns, rows, "Choose a row to see it. In meV/Å and meV; # counts from 0 within the set."
        ),
    )
    return Section(
        "Worst structures", [viewer], lead="The largest force errors of each set; the place to add data."
    )


def _worst_frame(one: SetErrors, k: int) -> tuple[Frame, list[str]]:
    from ase.data import chemical_symbols

    system = one.evaluation.systems[k]
    numbers = np.asarray(system.numbers)
    sizes = np.linalg.norm(one.force_errors[k], axis=1)
    atom = int(np.argmax(sizes))
    name = f"{one.name} #{k}"
    periodic = any(system.pbc)
    positions = np.asarray(system.positions, dtype=np.float64)
    frame = Frame(
        positions=positions if periodic else positions - positions.mean(axis=0),
        label=name,
        numbers=numbers,
        cell=np.asarray(system.cell) if periodic else None,
        reference=np.asarray(one.evaluation.reference_forces[k]),
        predicted=np.asarray(one.evaluation.forces[k]),
        values=sizes,
    )
    worst_atom = f"{chemical_symbols[int(numbers[atom])]}{atom}: {number(float(sizes[atom]))}"
    return frame, [
        name,
        number(float(one.force_rmse_of_structures[k])),
        worst_atom,
        number(float(one.energy_errors[k])),
    ]
