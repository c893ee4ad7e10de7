"""The file of learned variables: one archive of numbers and names, never code."""

import inspect
import itertools
import os
from typing import TYPE_CHECKING, Any

import ase.data
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import adiabat
from adiabat.base import AdiabatError, DataError, UnsupportedError
from adiabat.base.archive import read_archive, write_archive
from adiabat.base.registry import Registry
from adiabat.networks.parameters import from_arrays, to_arrays
from adiabat.sampling.learned import LearnedVariable, members_of
from adiabat.sampling.slow_function import SlowFunction
from adiabat.sampling.superposition import RMSD, PathDistance, PathProgress
from adiabat.sampling.variable import AbstractVariable

if TYPE_CHECKING:
    from adiabat.sampling.slow_variables import SlowVariables

KIND = "variables"
_MAX_WIDTH, _MAX_DEPTH = 4096, 32
# Their references are arrays of the file; the registry's functions of these names read them from others.
_WITH_ARRAYS = {"rmsd": RMSD, "path": PathProgress, "off_path": PathDistance}


def save_variables(path: str | os.PathLike, learned: "SlowVariables") -> None:
    """Writes what was learned, replacing an old file at once.

    Raises:
        UnsupportedError: a variable of a kind that is not in the registry, or made of other variables.
        DataError: the folder cannot be written.
    """
    arrays = to_arrays(learned.function, prefix="function")
    described = []
    for number, variable in enumerate(learned.variables):
        settings, references = _described(variable)
        described.append(settings)
        arrays |= {f"variable.{number}.{name}": values for name, values in references.items()}
    header = {
        "variables": described,
        "elements": [ase.data.chemical_symbols[z] for z in learned.elements],
        "layers": [len(bias) for _, bias in learned.function.layers],
        "lag": learned.lag,
        "timescales": [float(t) if np.isfinite(t) else None for t in learned.timescales],
        "widths": [float(width) for width in learned.widths],
        "verdict": learned.verdict,
        "units": {"time": "fs", "length": "Å", "angle": "rad"},
        "versions": {"adiabat": adiabat.__version__, "jax": jax.__version__},
    }
    write_archive(path, KIND, arrays, header)


def load_variable(path: str | os.PathLike, component: int = 0, name: str = "slow") -> LearnedVariable:
    """One of the modes in a file that `SlowVariables.save` wrote.

    Args:
        path: of the file.
        component: which mode, 0 being the slowest.
        name: under which it is recorded.

    Raises:
        DataError: no such file, damaged, of another kind, or made by variables that this version lacks.
        ConfigError: there is no such mode.
    """
    arrays, header = read_archive(path, KIND)
    source = str(path)
    try:
        variables = [_rebuilt(n, one, arrays) for n, one in enumerate(header["variables"])]
        elements = [ase.data.atomic_numbers[symbol] for symbol in header["elements"]]
        function = _function(variables, header["layers"], arrays, source)
    except AdiabatError as error:
        raise DataError(f"{source}: {error.message}", error.hint) from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(
            f"{source} does not describe variables: {error!r}", "make it again by adiabat variables"
        ) from error
    if not variables or len(elements) != len(members_of(variables)):
        raise DataError(f"{source}: its elements are not those of its variables' atoms")
    return LearnedVariable(
        variables=variables, function=function, component=component, elements=elements, name=name
    )


def _described(variable: AbstractVariable) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Kind and settings of a variable, and its arrays: the arguments of its constructor, by name."""
    kind = next((name for name, cls in _WITH_ARRAYS.items() if type(variable) is cls), None)
    kind = kind or _registry().name_of(type(variable))
    if kind is None:
        raise UnsupportedError(
            f"the variable {variable.name!r} is a {type(variable).__name__}, which a file cannot hold",
            "use kinds that adiabat new md lists, or register yours in the entry points adiabat.variables",
        )
    given = inspect.signature(type(variable)).parameters
    values = {name: value for name, value in vars(variable).items() if name in given and value is not None}
    arrays = {name: np.asarray(v) for name, v in values.items() if isinstance(v, (np.ndarray, jax.Array))}
    return {"kind": kind} | {name: value for name, value in values.items() if name not in arrays}, arrays


def _rebuilt(number: int, described: dict[str, Any], arrays: dict[str, np.ndarray]) -> AbstractVariable:
    settings = dict(described)
    kind = settings.pop("kind")
    prefix = f"variable.{number}."
    references = {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}
    if not all(np.isfinite(values).all() for values in references.values()):
        raise DataError(f"the references of variable {number} are not finite")
    made: Any = _WITH_ARRAYS.get(kind) or _registry().get(kind)
    if AbstractVariable not in getattr(made, "__mro__", ()):  # a function might read another file
        raise DataError(f"variables of the kind {kind!r} are not stored in files")
    return made(**settings, **references)


def _function(
    variables: list[AbstractVariable], widths: list[int], arrays: dict[str, np.ndarray], source: str
) -> SlowFunction:
    """The function, of layers of these widths, with the numbers that are stored."""
    n_features = sum(1 if variable.period is None else 2 for variable in variables)
    stored = {name: values for name, values in arrays.items() if name.startswith("function")}
    if len(widths) > _MAX_DEPTH or not all(type(n) is int and 0 < n <= _MAX_WIDTH for n in widths):
        raise DataError(f"layers of {widths} are not plausible")
    n_modes = len(stored["function.offset"])
    sizes = [n_features, *widths]
    with jax.enable_x64(True):
        template = eqx.filter_eval_shape(
            lambda: SlowFunction(
                center=jnp.zeros(n_features),
                scale=jnp.ones(n_features),
                layers=[(jnp.zeros((n, m)), jnp.zeros(n)) for m, n in itertools.pairwise(sizes)],
                vectors=jnp.zeros((sizes[-1], n_modes)),
                offset=jnp.zeros(n_modes),
            )
        )
        function = from_arrays(template, stored, prefix="function", source=source)
        function = jax.tree.map(jnp.asarray, function)
    if (
        not all(np.isfinite(values).all() for values in stored.values())
        or np.min(stored["function.scale"]) <= 0
    ):
        raise DataError("the numbers of the function are not finite, or do not scale")
    return function


def _registry() -> Registry:
    from adiabat.sampling import variables

    return variables
