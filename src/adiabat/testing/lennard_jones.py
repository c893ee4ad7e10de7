"""Energies of Lennard-Jones particles against published figures, in units of epsilon and sigma.

Those of the fluid are of NIST's Standard Reference Simulation Website (doi 10.18434/T4M88Q).
"""

from typing import NamedTuple

import ase.build
import numpy as np

from adiabat.analysis import mean_with_error
from adiabat.analysis.statistics import Average
from adiabat.base.units import BOLTZMANN, FEMTOSECOND, GIGAPASCAL
from adiabat.dynamics import Langevin, evaluate, run_dynamics
from adiabat.potentials import LennardJones
from adiabat.system import System, neighbor_list
from adiabat.system.elements import LENNARD_JONES

# The fourth of the sample configurations, 30 atoms in a cube of 8 sigma.
_CONFIGURATION = """
1.077169909511 -1.020988125886 -1.348259447733  0.183088459221 -1.557698231574 -1.782405485883
-2.060346185437 3.927378276290 3.889555115290  1.936298049102 0.718197332622 3.715169082037
-0.751413904170 -0.418413946953 -3.250183630687  2.257391305584 -1.126577405146 -2.291542913197
0.120886872124 -1.395611520000 2.003709382777  3.327427055092 -1.476502868105 3.394023898450
2.130927328546 -1.106827632561 -0.197289636717  2.117442019559 -0.184474351203 0.930163899377
-1.459378119580 2.382882188329 -3.788199401470  2.432313424884 -1.118537915440 -1.224088264651
2.416845366530 1.845499053895 2.906107003288  2.515247912050 0.035809769781 -2.445590080636
1.113585242376 -2.478011342991 -0.008092189528  1.261664073561 1.075432348722 -2.751715752259
-0.581187347602 -2.429378395199 2.668996832737  -1.533182296119 2.319699660489 1.762429379767
2.639946585704 -0.784751559936 2.251233247739  -1.927486378623 -1.432729425739 -2.439226375584
0.921280135544 -2.427925517025 2.150024430246  2.114172305774 0.958657516859 -1.790678078404
-0.731238027175 -3.366157234697 0.137659795443  1.612569300954 -0.923341584617 2.037484769332
3.967911812136 0.200250899895 2.659432175592  1.188751191387 -0.059556384134 -0.736307044788
3.789497702433 1.570674334424 0.726591837482  2.786625773109 -1.524167484397 0.835818754063
-1.629362446504 -1.139061532617 -0.765408405138  2.592655226763 3.786335083587 -1.252452130644
"""
_EDGE = 8.0
_EPSILON, _SIGMA, _MASS = *LENNARD_JONES.values.values(), 39.948  # eV, Å, u: argon
CONFIGURATION = {3.0: (-16.790, -46.249), 4.0: (-17.060, -47.869)}
"""Energy and virial of that configuration by the cut-off, without a correction for what is beyond."""

LATTICES = {"fcc": (14.45392, 12.13188), "bcc": (12.25367, 9.11418), "hcp": (14.45490, 12.13229)}
"""Sums of r^-6 and r^-12 over a crystal, in distances of nearest neighbors (Kittel, Introduction to Solid
State Physics; Kane and Goeppert-Mayer 1940, doi 10.1063/1.1750696)."""

LIQUID = {0.776: (-5.5121, 4.55e-4, 6.7714e-3, 1.72e-3)}
"""By the density [sigma^-3]: energy of an atom and pressure at a temperature of 0.85, each with its error,
with what is beyond the cut-off of 3 taken for uniform."""
_TEMPERATURE, _REACH = 0.85, 3.0


class Liquid(NamedTuple):
    """Means of a simulated liquid."""

    energy: Average
    """Of an atom, potential [epsilon]."""
    pressure: Average
    """[epsilon/sigma^3]"""


def _potential(cutoff: float) -> LennardJones:
    return LennardJones(epsilon=_EPSILON, sigma=_SIGMA, cutoff=cutoff * _SIGMA, smooth=False)


def configuration(cutoff: float) -> tuple[float, float]:
    """Energy [epsilon] and virial, the sum of r · F over pairs [epsilon], of the sample configuration."""
    places = np.array(_CONFIGURATION.split(), np.float64).reshape(-1, 3)
    system = System.create([18] * len(places), _SIGMA * places, _SIGMA * _EDGE * np.eye(3), pbc=True)
    found = evaluate(_potential(cutoff), system, neighbor_list(system, cutoff * _SIGMA))
    assert found.stress is not None
    virial = -float(system.volume) * float(np.trace(found.stress))
    return float(found.energy) / _EPSILON, virial / _EPSILON


def lattice_energy(lattice: str, cutoff: float = 9.0) -> float:
    """Of an atom of a crystal whose nearest neighbors are 2^(1/6) sigma apart [epsilon], with what is beyond
    the cut-off taken for uniform: A12 / 2 - A6, to some 3e-5 of it."""
    nearest = 2 ** (1 / 6) * _SIGMA
    edge = nearest * {"fcc": 2**0.5, "bcc": 2 / 3**0.5, "hcp": 1.0}[lattice]
    more = {"c": edge * (8 / 3) ** 0.5} if lattice == "hcp" else {}
    system = System.from_ase(ase.build.bulk("Ar", lattice, a=edge, **more))
    found = evaluate(_potential(cutoff), system, neighbor_list(system, cutoff * _SIGMA))
    density = system.n_atoms / float(system.volume) * _SIGMA**3
    return float(found.energy) / system.n_atoms / _EPSILON + _beyond(density, cutoff)[0]


def liquid(density: float, steps: int = 20_000, *, atoms: int = 256, seed: int = 0) -> Liquid:
    """A simulated liquid at a temperature of 0.85, a fifth of it forgotten."""
    repeat = round((atoms / 4) ** (1 / 3))
    edge = (4 / density) ** (1 / 3) * _SIGMA
    system = System.from_ase(ase.build.bulk("Ar", "fcc", a=edge, cubic=True) * ((repeat,) * 3))
    time = _SIGMA * (_MASS / _EPSILON) ** 0.5 / FEMTOSECOND
    thermostat = Langevin(
        timestep=0.004 * time, temperature=_TEMPERATURE * _EPSILON / BOLTZMANN, friction=3.0 / time
    )
    run = run_dynamics(system, _potential(_REACH), thermostat, steps=steps, record_every=10, seed=seed)
    assert run.trajectory is not None
    first = len(run.trajectory) // 5
    observed = run.trajectory.observables
    energy, pressure = _beyond(density, _REACH)
    unit = _EPSILON / _SIGMA**3 / GIGAPASCAL
    return Liquid(
        mean_with_error(observed["potential_energy"][first:] / system.n_atoms / _EPSILON + energy),
        mean_with_error(observed["pressure"][first:] / unit + pressure),
    )


def _beyond(density: float, cutoff: float) -> tuple[float, float]:
    """What uniform surroundings beyond a cut-off add to the energy of an atom and to the pressure."""
    sixth, twelfth = cutoff**-3, cutoff**-9
    return (
        8 / 3 * np.pi * density * (twelfth / 3 - sixth),
        16 / 3 * np.pi * density**2 * (2 / 3 * twelfth - sixth),
    )
