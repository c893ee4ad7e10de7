"""Options that several commands share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from adiabat.base.units import Kind
    from adiabat.tasks.regions import Region, Regions


def quantity(kind: "Kind") -> Callable[[Any], float]:
    """A parser of "0.5 fs" and the like."""

    def parse(value: Any) -> float:
        from adiabat.base import ConfigError, units

        try:
            return units.parse(value, kind)
        except ConfigError as error:
            raise typer.BadParameter(str(error)) from error

    parse.__name__ = kind
    return parse


def option_of(
    kind: "Kind", name: str, text: str, default: str | None = None, panel: str | None = None
) -> Any:
    """An option that takes a quantity; `default` is only shown."""
    return typer.Option(
        name,
        parser=quantity(kind),
        metavar=kind.upper(),
        help=text,
        show_default=default or False,
        rich_help_panel=panel,
    )


def variables_option(text: str, default: str | None = None) -> Any:
    """An option that takes a file of collective variables; `default` is only shown."""
    return typer.Option(
        "--variables",
        metavar="FILE.toml",
        help=f"{text}: tables \\[\\[variables]] as in the settings of md.",
        show_default=default or False,
    )


# Of the number of an atom; ranges of longer ones would fill the memory.
_DIGITS = 6


def atom_numbers(text: str) -> list[int]:
    """The numbers of "0-21,30", both ends included.

    Raises:
        ConfigError: anything else, or numbers that no structure has.
    """
    from adiabat.base import ConfigError

    found: list[int] = []
    for part in text.split(","):
        ends = [end.strip() for end in part.split("-")]
        if len(ends) > 2 or not all(end.isdecimal() and len(end) <= _DIGITS for end in ends):
            raise ConfigError(
                f"{text[:60]!r} are no numbers of atoms",
                f'write them as "0-21,30", from 0 on, of {_DIGITS} digits at most',
            )
        first, last = int(ends[0]), int(ends[-1])
        if first > last:
            raise ConfigError(f"{part.strip()!r} are no numbers of atoms", f'write them as "{last}-{first}"')
        found += range(first, last + 1)
    return found


def interval(text: str) -> tuple[float, float]:
    """The two numbers of "-1.5, 0".

    Raises:
        ConfigError: anything else.
    """
    from adiabat.base import ConfigError

    try:
        low, high = map(float, text.split(","))
    except ValueError as error:
        hint = 'write LOW, HIGH as "-1.5, 0", in the unit of the variable (Å, rad); inf is without an end'
        raise ConfigError(f"{text[:60]!r} is no interval", hint) from error
    if low != low or high != high:
        raise ConfigError(f"{text[:60]!r} is no interval")
    return low, high


def region(text: str) -> "Region":
    """The intervals of "phi=-2.6, -0.8; psi=-0.5, 3.1" by variable, or the only one of "-1.5, 0".

    Raises:
        ConfigError: anything else.
    """
    from adiabat.base import ConfigError

    if "=" not in text:
        return interval(text)
    found: dict[str, tuple[float, float]] = {}
    for part in text.split(";"):
        name, _, ends = (word.strip() for word in part.rpartition("="))
        if not name:
            raise ConfigError(
                f"{part.strip()[:60]!r} has no variable", 'write it as "phi=-2.6, -0.8; psi=-0.5, 3.1"'
            )
        if name in found:
            raise ConfigError(f"{text[:60]!r} bounds {name!r} twice", "give each variable one interval")
        found[name] = interval(ends)
    return found


def states(texts: Sequence[str]) -> "Regions":
    """Regions as of `region`, each maybe after a name and a colon: by their names where one has a name, or
    there are more than two, else in their order.

    Raises:
        ConfigError: anything else, or two of one name.
    """
    from adiabat.base import ConfigError

    pairs = []
    for text in texts:
        name, colon, where = text.partition(":")
        pairs.append((name.strip() if colon else "", region(where if colon else text)))
    if len(pairs) < 3 and not any(name for name, _ in pairs):
        return [where for _, where in pairs]
    names = [name or text.strip() for (name, _), text in zip(pairs, texts, strict=True)]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two states are called {name!r}", "give each a name of its own")
    return dict(zip(names, (where for _, where in pairs), strict=True))


RUN_PANEL = "The run"

RunOut = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="RUN", help="The run folder to write.", rich_help_panel=RUN_PANEL),
]
Force = Annotated[
    bool, typer.Option("--force", help="Start over where something is already.", rich_help_panel=RUN_PANEL)
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with the run in --out, bit for bit.", rich_help_panel=RUN_PANEL),
]
Seed = Annotated[
    int | None, typer.Option("--seed", metavar="N", min=0, help="Of everything random.", show_default="0")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE.toml", help="Settings; [b]adiabat new[/b] prints a template."
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="a.b=c", help="One setting, over the file and the options; may be repeated."
    ),
]
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A model file, a run folder or a potential file.", show_default=False
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="MODEL",
        help="Go on from its weights; [b]general[/b] is the model that comes with adiabat, [b]scratch[/b] "
        "means fresh weights. By default these, which learn a few organic molecules, or clusters of them out "
        "of a liquid or crystal, by GFN2-xTB first.",
        show_default=False,
    ),
]
Structures = Annotated[
    Path,
    typer.Argument(
        metavar="STRUCTURES",
        help="A file that ASE reads, .npz, .h5, a trajectory or a DeePMD folder.",
        show_default=False,
    ),
]
Smiles = Annotated[str, typer.Option("--smiles", metavar="COLUMN", help="The column of SMILES strings.")]
Level = Annotated[
    float, typer.Option("--level", metavar="SHARE", help="Of true values that the intervals hold.")
]
KeyName = Annotated[
    str | None,
    typer.Option(metavar="KEY", help="Where the file keeps it, when that is not clear.", show_default=False),
]
Structure = Annotated[
    str,
    typer.Argument(metavar="STRUCTURE", help="A structure file; FILE@3 is its frame 3.", show_default=False),
]
OutFile = Annotated[
    Path, typer.Option("--out", "-o", metavar="FILE.xyz", help="The file to write.", show_default=False)
]
ForceFile = Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")]
