"""`adiabat new`, `check`, `schema`: configuration files of the tasks, from the constructors they build."""

import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from adiabat.base import ConfigError, did_you_mean
from adiabat.base import schema as schemas
from adiabat.base.config import apply_overrides, find_line, parse_config, read_text
from adiabat.base.registry import Registry
from adiabat.tasks.rerun import settings_of_run


@dataclass(frozen=True)
class Section:
    """A table of a configuration file.

    Attributes:
        name: of the table; "" is the top level.
        target: its keys are this class's arguments, or those of what the key `kind` names in a registry.
        kind: the registry's default.
        many: any number of such tables, `[[name]]`, each with its `kind`.
    """

    name: str
    target: Callable[..., Any] | Registry
    kind: str = ""
    many: bool = False


@dataclass(frozen=True)
class MolecularDynamics:
    """What `adiabat md` runs.

    Args:
        model: a model file, a run folder or a potential file.
        structure: a structure file; FILE@3 is its frame 3.
        steps: how many.
        record_every: steps between two frames of the trajectory.
        seed: of the starting velocities and the thermostat; replicas have the numbers that follow.
        replicas: copies to run at once, at least as many as FILE@: has frames and temperatures.
        temperatures: of the replicas in turn [K], instead of the integrator's.
        exchange_every: steps between attempts to swap ascending temperatures of replicas; 0 is never.
        solute: atoms that the temperatures are confined to, numbered from 0, the others staying at the first.
        constraints: which distances stay what they are; bonds to hydrogen, or all of each water molecule.
        hydrogen_mass: of all hydrogen atoms, taken from the atoms they are bonded to.
        inner: a cheap model near the other one, for several steps within each timestep.
        inner_steps: how many.
    """

    model: str
    structure: str
    steps: int
    record_every: int = 10
    seed: int = 0
    replicas: int = 1
    temperatures: list[float] = dataclasses.field(default_factory=list)
    exchange_every: int = 0
    solute: list[int] = dataclasses.field(default_factory=list)
    constraints: Literal["none", "hydrogens", "water", "hydrogens+water"] = "none"
    hydrogen_mass: Annotated[float | None, schemas.Unit("mass")] = None
    inner: str | None = None
    inner_steps: int = 4


def _train() -> list[Section]:
    from adiabat.tasks import train

    entries: tuple[Any, ...] = train.SECTIONS
    return [Section(*entry) for entry in entries]


def _md() -> list[Section]:
    from adiabat.dynamics import barostats, integrators
    from adiabat.sampling import biases, variables

    return [
        Section("", MolecularDynamics),
        Section("integrator", integrators, "langevin"),
        Section("barostat", barostats, "none"),
        Section("bias", biases, "none"),
        Section("variables", variables, many=True),
    ]


def _potential() -> list[Section]:
    from adiabat.tasks.potential import terms

    return [Section("terms", terms(), many=True)]


_TASKS: dict[str, Callable[[], list[Section]]] = {"train": _train, "md": _md, "potential": _potential}


def new(task: str) -> str:
    """A commented TOML template of all settings of a task.

    Raises:
        ConfigError: a task without settings files.
    """
    use = "a MODEL of the other commands" if task == "potential" else f"adiabat {task} --config FILE.toml"
    parts = [
        f"# Settings of `adiabat {task}`: {use}\n",
        f'task = "{task}"\n',
    ]
    parts += [_section_template(section) for section in sections(task)]
    return "\n".join(parts)


def check(path: str | os.PathLike, task: str | None = None) -> dict[str, Any]:
    """The settings in a file, checked, with defaults filled in and quantities with their units.

    Args:
        path: a TOML file.
        task: whose settings they are; by default what its key `task` says, or else its other keys.

    Raises:
        ConfigError: as `settings`.
    """
    if task is None:
        config = parse_config(read_text(path), str(path))
        task = config["task"] if "task" in config else _told_by(config)
        if not isinstance(task, str):
            hint = f'write task = "..." at its top with one of: {", ".join(_TASKS)}; or pass --task'
            raise ConfigError(f"{path} does not say which task it is for", hint)
    return {"task": task, **settings(task, path)}


def settings(
    task: str,
    path: str | os.PathLike | None = None,
    given: Mapping[str, Mapping[str, Any]] | None = None,
    overrides: Iterable[str] = (),
) -> dict[str, Any]:
    """The resolved settings of a task: those of a file, below what is `given`, below "a.b=c" overrides.

    Files that the tables [[...]] of terms and variables name are seen from the folder of the settings.

    Args:
        task: such as "md".
        path: a TOML file; none is an empty one.
        given: table -> key -> value ("" is the top level); values that are None are not given.
        overrides: applied in order.

    Raises:
        ConfigError: the file cannot be read or is for another task; an unknown or missing key, a wrong value.
    """
    config = {} if path is None else parse_config(read_text(path), str(path))
    of = config.pop("task", task)
    if of != task:
        hint = f"adiabat {of} --config {path}" if of in _TASKS else did_you_mean(str(of), _TASKS)
        raise ConfigError(f"{path} holds settings for {of!r}, not for {task!r}", hint=hint)
    if path is not None:
        config = _placed(task, config, Path(path).parent)
    if task == "md":
        config = settings_of_run(config)
    for name, table in (given or {}).items():
        values = {key: value for key, value in table.items() if value is not None}
        if not name:
            config |= values
        elif values and isinstance(config.setdefault(name, {}), dict):
            config[name] |= values
    overrides = list(overrides)
    try:
        return resolve(task, apply_overrides(config, overrides))
    except ConfigError as error:
        set_here = {override.partition("=")[0].strip() for override in overrides}
        set_here |= {f"{name}.{key}".lstrip(".") for name, table in (given or {}).items() for key in table}
        raise error if error.key in set_here or path is None else _with_line(error, path) from error


def resolve(task: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """`config`, checked against the task's settings, with defaults filled in and quantities with their units.

    Raises:
        ConfigError: an unknown or missing key, or a wrong value.
    """
    parts = sections(task)
    names = [section.name for section in parts if section.name]
    resolved: dict[str, Any] = {}
    if not any(section.name == "" for section in parts):
        _refuse_unknown(config, names)
    for section in parts:
        if section.many:
            rows = config.get(section.name, [])
            if not isinstance(rows, list):
                raise ConfigError(f"{section.name} must be tables [[{section.name}]]", key=section.name)
            resolved[section.name] = [
                schemas.resolve(section.target, row, f"{section.name}.{number}")
                for number, row in enumerate(rows)
            ]
            continue
        table = config.get(section.name, {}) if section.name else _top_level(config, names)
        if isinstance(table, Mapping) and isinstance(section.target, Registry):
            table = {"kind": section.kind, **table}
        values = schemas.resolve(section.target, table, section.name)
        resolved |= {section.name: values} if section.name else values
    return resolved


def _told_by(config: Mapping[str, Any]) -> str | None:
    """The task that knows most of these keys and tables; None where there is none, or several."""
    known: dict[str, int] = {}
    for task in _TASKS:
        parts = sections(task)
        names = {section.name for section in parts}
        for section in parts:
            if not section.name and not isinstance(section.target, Registry):
                names |= {argument.name for argument in schemas.arguments(section.target)}
        known[task] = len(names & config.keys())
    most = max(known.values())
    best = [task for task, number in known.items() if number == most]
    return best[0] if most and len(best) == 1 else None


def schema(task: str, flat: bool = False) -> dict[str, Any]:
    """The JSON schema of a task's settings; flat: `section.key` -> type, default, unit, description.

    Raises:
        ConfigError: a task without settings files.
    """
    properties: dict[str, Any] = {"task": {"const": task}}
    required: list[str] = []
    for section in sections(task):
        table = _section_schema(section)
        if section.name:
            properties[section.name] = table
        else:
            properties |= table["properties"]
            required += table.get("required", [])
    if flat:
        return _flatten(properties)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"adiabat {task}",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def sections(task: str) -> list[Section]:
    """The tables of a task's configuration file; raises `ConfigError` for a task without one."""
    if task not in _TASKS:
        raise ConfigError(f"there are no settings files for {task!r}", hint=did_you_mean(task, _TASKS))
    return _TASKS[task]()


def _top_level(config: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in names}


def _placed(task: str, config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The configuration with the files of its tables [[...]] as seen from here; what is wrong stays."""
    found = dict(config)
    for section in sections(task):
        rows = found.get(section.name)
        if section.many and isinstance(rows, list):
            found[section.name] = [
                schemas.placed(section.target, row, folder) if isinstance(row, Mapping) else row
                for row in rows
            ]
    return found


def _refuse_unknown(config: Mapping[str, Any], names: list[str]) -> None:
    for key in config:
        if key not in names:
            raise ConfigError(f"unknown key or table {key!r}", hint=did_you_mean(key, names), key=key)


def _with_line(error: ConfigError, path: str | os.PathLike) -> ConfigError:
    """The same error, which also shows the file and, where there is one, the line that it is about."""
    text = read_text(path)
    number = find_line(text, error.key) if error.key else None
    if number is None:
        return ConfigError(f"{path}: {error.message}", error.hint, error.key)
    line = text.splitlines()[number - 1].strip()
    return ConfigError(f"{path}, line {number}: {error.message}\n    {line}", error.hint, error.key)


def _section_template(section: Section) -> str:
    if not isinstance(section.target, Registry):
        return schemas.template(section.target, section.name)
    names = ", ".join(section.target.names())
    if section.many:
        kinds = "\n".join(_commented(section.target, name) for name in section.target.names())
        return f"# Any number of tables [[{section.name}]]; the kind is one of: {names}.\n{kinds}"
    body = schemas.template(section.target.get(section.kind))
    others = [_commented(section.target, name) for name in section.target.names() if name != section.kind]
    return f'[{section.name}]\n# One of: {names}.\nkind = "{section.kind}"\n{body}{"".join(others)}'


def _commented(registry: Registry, kind: str) -> str:
    """The settings of another kind, as a comment."""
    body = schemas.template(registry.get(kind)).splitlines()
    keys = [line.removeprefix("# ") for line in body if re.match(r"(# )?\w+ = ", line)]
    return "\n".join([f'# With kind = "{kind}":', *(f"#   {line}" for line in keys)]) + "\n" if keys else ""


def _section_schema(section: Section) -> dict[str, Any]:
    if not isinstance(section.target, Registry):
        return schemas.json_schema(section.target)
    options = []
    for name in section.target.names():
        option = schemas.json_schema(section.target.get(name))
        kind = {"const": name, "default": name} if name == section.kind else {"const": name}
        option["properties"] = {"kind": kind, **option.get("properties", {})}
        if name != section.kind:
            option["required"] = ["kind", *option.get("required", [])]
        options.append(option)
    return {"type": "array", "items": {"oneOf": options}} if section.many else {"oneOf": options}


def _flatten(properties: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, entry in properties.items():
        entry = entry["items"] if "oneOf" in entry.get("items", {}) else entry
        if "oneOf" in entry:  # a choice of kinds
            tables = [option["properties"] for option in entry["oneOf"]]
            kinds = [table["kind"] for table in tables]
            default = [kind["default"] for kind in kinds if "default" in kind]
            enum: dict[str, Any] = {"enum": [kind["const"] for kind in kinds]}
            flat[f"{prefix}{name}.kind"] = enum | ({"default": default[0]} if default else {})
            for table in tables:
                rest = {key: value for key, value in table.items() if key != "kind"}
                flat = _flatten(rest, f"{prefix}{name}.") | flat
        elif "properties" in entry:
            flat |= _flatten(entry["properties"], f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = _flat_entry(entry)
    return flat


def _flat_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("type", "const", "enum", "default", "unit", "description")
    types = "|".join(option["type"] for option in entry.get("anyOf", []) if "type" in option)
    return ({"type": types} if types else {}) | {key: entry[key] for key in kept if key in entry}
