"""Rate constants from barriers."""

import numpy as np
from scipy import constants

from adiabat.base import ConfigError
from adiabat.base.units import BOLTZMANN


def log10_rate(barrier: np.ndarray, temperature: float, prefactor: float | None = None) -> np.ndarray:
    """log10 of the rate constant in 1/s: Eyring's k = (k_B T / h) exp(-barrier / k_B T) (Eyring 1935,
    doi 10.1063/1.1749604), or Arrhenius' k = A exp(-barrier / k_B T).

    Eyring's takes free energies of activation; of two reactants, at a standard state of 1 mol/L, k is in
    L/(mol s).

    Args:
        barrier: [eV].
        temperature: [K].
        prefactor: A [1/s]; without, Eyring's equation.

    Raises:
        ConfigError: a temperature or prefactor that is not positive.
    """
    if not temperature > 0:
        raise ConfigError(f"a temperature is above 0 K, not {temperature}")
    if prefactor is not None and not prefactor > 0:
        raise ConfigError(f"a prefactor is positive, not {prefactor}")
    factor = constants.k * temperature / constants.h if prefactor is None else prefactor
    return np.log10(factor) + log10_equilibrium(barrier, temperature)


def log10_equilibrium(energy: np.ndarray, temperature: float) -> np.ndarray:
    """log10 of the equilibrium constant exp(-energy / k_B T) of a reaction.

    Args:
        energy: of the reaction [eV].
        temperature: [K].
    """
    return -np.asarray(energy) / (BOLTZMANN * temperature * np.log(10))
