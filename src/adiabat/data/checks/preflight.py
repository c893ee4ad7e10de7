"""All checks of the data before a training."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from adiabat.base import DataError
from adiabat.data.checks.copies import check_copies, check_leaks
from adiabat.data.checks.coverage import check_distances, check_elements, check_neighbors, check_states
from adiabat.data.checks.finding import Finding, Preflight
from adiabat.data.checks.mechanics import check_net_force_and_torque, check_stiffness, check_stress
from adiabat.data.checks.methods import check_methods
from adiabat.data.checks.pairs import check_energies_against_forces
from adiabat.data.checks.survey import Survey
from adiabat.data.checks.values import check_energies, check_forces, check_total_energies
from adiabat.data.sample import Sample
from adiabat.data.stored import StoredSamples

# Of samples that stay in their files, about so many are looked at.
LOOKED_AT = 5000

CHECKS: tuple[Callable[[Survey], Iterator[Finding]], ...] = (
    check_distances,
    check_energies_against_forces,
    check_stiffness,
    check_net_force_and_torque,
    check_stress,
    check_total_energies,
    check_methods,
    check_energies,
    check_forces,
    check_leaks,
    check_copies,
    check_elements,
    check_states,
    check_neighbors,
)


def preflight(
    train: Sequence[Sample],
    valid: Sequence[Sample] = (),
    test: Sequence[Sample] = (),
    cutoff: float = 5.0,
) -> Preflight:
    """Everything about the data that should be known before a training.

    Units and sign of the forces (work along close frames, stiffness of bonds, net force and torque),
    outliers, copies within the training set and between the sets, elements, charges and spins, distances,
    neighbors.

    Of a training set that stays in its files a few thousand samples are looked at, and a finding says so.

    Args:
        train: the training samples; free atoms may be among them.
        valid: held out during training.
        test: held out for the final errors.
        cutoff: of the model [Å].

    Raises:
        DataError: `train` is empty.
    """
    if not train:
        raise DataError("there are no samples to train on")
    findings = []
    if isinstance(train, StoredSamples):
        chosen = train.selection(LOOKED_AT)
        detail = f"{len(chosen):,} of the {len(train):,} training frames, evenly over all of them"
        findings.append(Finding("info", "a selection was checked", detail))
        train = chosen
    survey = Survey(train, valid, test, cutoff)
    findings += [finding for check in CHECKS for finding in check(survey)]
    return Preflight.of_all(findings)


def preflight_head(
    name: str,
    train: Sequence[Sample],
    valid: Sequence[Sample],
    held_out: Sequence[Sample],
    cutoff: float = 5.0,
) -> Preflight:
    """The same for labels of another method that are trained on beside, in a head of their own.

    Args:
        name: of the head.
        train: its training samples.
        valid: its samples that are held out.
        held_out: samples of the main method that are held out. Another method's labels of the same structures
            say much about theirs, which deserves a warning.
        cutoff: of the model [Å].

    Raises:
        DataError: `train` is empty.
    """
    found = [
        replace(finding, title=f"{name}: {finding.title}")
        for finding in preflight(train, valid, cutoff=cutoff).findings
    ]
    leaks = check_leaks(Survey(train, (), held_out, cutoff))
    title = f"held-out structures are in head {name}"
    return Preflight.of_all([*found, *(replace(leak, level="warning", title=title) for leak in leaks)])
