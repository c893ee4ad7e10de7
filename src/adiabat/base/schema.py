"""The constructor is the schema: validation, JSON schema and template from its annotated keyword arguments.

class Langevin(eqx.Module):
    '''...

    Args:
        timestep: how far one step goes.
    '''
    def __init__(self, *, timestep: Annotated[float, Unit("time")] = 0.5): ...

build(Langevin, {"timestep": "0.25 fs"})
"""

import dataclasses
import inspect
import json
import os
import re
import textwrap
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from adiabat.base.config import toml_value
from adiabat.base.errors import ConfigError, did_you_mean
from adiabat.base.registry import Registry
from adiabat.base.units import Kind, Unit, converted, format_quantity, symbol

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = [
    "Argument",
    "Beside",
    "Kindred",
    "Numbers",
    "Supplied",
    "Unit",
    "arguments",
    "build",
    "build_kind",
    "is_complete",
    "json_schema",
    "placed",
    "resolve",
    "template",
]


class Supplied:
    """Marks an argument, as `Annotated[int, Supplied]`, that the code gives and no configuration."""


@dataclass(frozen=True)
class Beside:
    """Marks an argument, as `Annotated[str, Beside()]`, that names a file as seen from the configuration file
    that it stands in.

    Attributes:
        but: names that are no paths.
    """

    but: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kindred:
    """Marks an argument, as `Annotated[list[dict[str, Any]], Kindred()]`, that takes tables of the registry
    that it is in itself."""


@dataclass(frozen=True)
class Numbers:
    """Marks an argument, as `Annotated[ArrayLike, Numbers("length")]`, that takes a number or nested lists of
    them; those of a kind may have their unit, as "1.5 Å"."""

    kind: Kind | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(self._plain)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        quantity = {} if self.kind is None else {"unit": symbol(self.kind), "quantity": self.kind}
        return {"anyOf": [{"type": "number"}, {"type": "array"}], **quantity}

    def _plain(self, value: Any) -> Any:
        from pydantic_core import PydanticCustomError

        if isinstance(value, list):
            return [self._plain(one) for one in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
        if self.kind is None or not isinstance(value, str):
            raise PydanticCustomError("numbers", "input should be a number or lists of numbers")
        return converted(value, self.kind)


@dataclass(frozen=True)
class Argument:
    """One keyword argument of a constructor.

    Attributes:
        name: the key in a configuration.
        annotation: its type.
        default: `inspect.Parameter.empty` when it must be given.
        doc: from the "Args:" (or "Attributes:") section of the docstring.
        unit: of a bare number, when it is a quantity.
    """

    name: str
    annotation: Any
    default: Any
    doc: str
    unit: Unit | None

    @property
    def required(self) -> bool:
        """True when a configuration must give it."""
        return self.default is inspect.Parameter.empty

    def show(self, value: Any) -> Any:
        """`value` as a configuration writes it, quantities with their unit."""
        if self.unit is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
            return format_quantity(value, self.unit.kind)
        return value


def is_complete(target: Callable[..., Any]) -> bool:
    """True when a configuration gives all that `target` needs: none of its arguments is `Supplied`."""
    function = target.__init__ if inspect.isclass(target) else target
    hints = typing.get_type_hints(function, include_extras=True)
    return not any(Supplied in typing.get_args(hint) for hint in hints.values())


@cache
def arguments(target: Callable[..., Any]) -> tuple[Argument, ...]:
    """The keyword arguments of a class's constructor or of a function, in order.

    Raises:
        TypeError: one of them has no annotation.
    """
    function = target.__init__ if inspect.isclass(target) else target
    hints = typing.get_type_hints(function, include_extras=True)
    docs = _argument_docs(inspect.getdoc(target) or "") | _argument_docs(inspect.getdoc(function) or "")
    factories = {
        field.name: field.default_factory
        for field in getattr(target, "__dataclass_fields__", {}).values()
        if field.default_factory is not dataclasses.MISSING
    }
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "self" or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name not in hints:
            raise TypeError(f"argument {name!r} of {target.__qualname__} needs an annotation")
        if Supplied in typing.get_args(hints[name]):
            continue
        default = factories[name]() if name in factories else parameter.default
        unit = _marked(hints[name], Unit)
        found.append(Argument(name, hints[name], default, docs.get(name, ""), unit))
    return tuple(found)


def build(target: Callable[..., Any], mapping: Mapping[str, Any], where: str = "", **supplied: Any) -> Any:
    """`target(**mapping)`, its values checked against the annotations and quantities brought to border units.

    Args:
        target: a class or function with annotated keyword arguments.
        mapping: from a configuration.
        where: the table's name in the configuration, such as "training", for errors.
        supplied: the arguments marked `Supplied`.

    Raises:
        ConfigError: an unknown or missing key, a value of another type or unit; all of them are listed.
    """
    values = _validate(target, mapping, where)
    try:
        return target(**values, **supplied)
    except ConfigError as error:
        if error.key is None and where:
            raise ConfigError(f"[{where}] {error.message}", error.hint, key=where) from error
        raise


def build_kind(registry: Registry, mapping: Mapping[str, Any], where: str = "", **supplied: Any) -> Any:
    """What the table's key `kind` names in `registry`, built from its other keys and what is `supplied`.

    Raises:
        ConfigError: no or an unknown kind, or as `build`.
    """
    return build(*_of_kind(registry, mapping, where), where, **supplied)


def resolve(
    target: Callable[..., Any] | Registry, mapping: Mapping[str, Any], where: str = ""
) -> dict[str, Any]:
    """The checked configuration of `target`, defaults filled in and quantities written with their units.

    Raises:
        ConfigError: as `build`.
    """
    if isinstance(target, Registry):
        made, rest = _of_kind(target, mapping, where)
        return {"kind": mapping["kind"], **resolve(made, rest, where)}
    values = _validate(target, mapping, where)
    if is_complete(target):
        build(target, mapping, where)  # what the constructor itself refuses
    return {a.name: a.show(values.get(a.name, a.default)) for a in arguments(target)}


def placed(
    target: Callable[..., Any] | Registry, mapping: Mapping[str, Any], folder: str | os.PathLike
) -> dict[str, Any]:
    """The configuration of `target` with the files that it names `Beside` itself as seen from where the
    program runs; what is wrong in it stays.

    Args:
        target: a class, a function, or a registry of them.
        mapping: from a configuration file.
        folder: that the file is in.
    """
    registry = target
    if isinstance(target, Registry):
        if mapping.get("kind") not in target.names():
            return dict(mapping)
        target = target.get(mapping["kind"])
    found = dict(mapping)
    for argument in arguments(target):
        value = found.get(argument.name)
        beside = _marked(argument.annotation, Beside)
        if beside and isinstance(value, str) and value not in beside.but:
            found[argument.name] = os.path.normpath(os.path.join(folder, value))
        if _marked(argument.annotation, Kindred) and isinstance(value, list):
            found[argument.name] = [
                placed(registry, row, folder) if isinstance(row, Mapping) else row for row in value
            ]
    return found


def json_schema(target: Callable[..., Any]) -> dict[str, Any]:
    """The JSON schema of `target`'s arguments; quantities carry their `unit`."""
    return _model(target).model_json_schema()


def template(target: Callable[..., Any], where: str = "", values: Mapping[str, Any] | None = None) -> str:
    """A commented TOML table of all arguments with their defaults.

    Args:
        target: a class or function.
        where: the name of the table; none for the top level.
        values: shown instead of the defaults; None shows a key commented out.
    """
    lines = [f"[{where}]"] if where else []
    for argument in arguments(target):
        default = (values or {}).get(argument.name, argument.default)
        comment = " ".join(filter(None, [argument.doc, _choices(argument.annotation)]))
        lines += [f"# {line}" for line in textwrap.wrap(comment, 100)]
        if default is inspect.Parameter.empty:
            lines.append(f"# {argument.name} = {_example(argument)}  # to be given")
        elif default is None:
            lines.append(f"# {argument.name} = {_example(argument)}")
        else:
            lines.append(f"{argument.name} = {toml_value(argument.show(default))}")
    return "\n".join(lines) + "\n"


def _of_kind(registry: Registry, mapping: Mapping[str, Any], where: str) -> tuple[Any, dict[str, Any]]:
    rest = dict(mapping)
    kind = rest.pop("kind", None)
    key = f"{where}.kind" if where else "kind"
    if not isinstance(kind, str):
        hint = f'write kind = "..." with one of: {", ".join(registry.names())}'
        raise ConfigError(
            f"{where or 'the table'} needs the key 'kind' of the {registry.kind}", hint, key=where
        )
    try:
        return registry.get(kind), rest
    except ConfigError as error:
        raise ConfigError(f"{key}: {error.message}", error.hint, key=key) from error


def _validate(target: Callable[..., Any], mapping: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values of the keys that are given, of the annotated types."""
    from pydantic import ValidationError

    if not isinstance(mapping, Mapping):
        raise ConfigError(
            f"{where or 'the configuration'} must be a table of keys, got {mapping!r}", key=where
        )
    model = _model(target)
    try:
        # through JSON, whose strict mode takes lists for tuples and text for paths, but "5" for no number
        checked = model.model_validate_json(json.dumps(dict(mapping), default=str))
    except ValidationError as error:
        raise _config_error(error, target, where) from error
    return {name: getattr(checked, name) for name in checked.model_fields_set}


def _config_error(error: Any, target: Callable[..., Any], where: str) -> ConfigError:
    names = [argument.name for argument in arguments(target)]
    problems, hints, first = [], [], None
    for problem in sorted(error.errors(), key=lambda p: p["type"] == "missing"):  # those have no line to show
        location = [str(part) for part in problem["loc"] if not str(part).startswith("function-")]
        name = location[0] if location else ""
        key = ".".join(filter(None, [where, *location[:1]]))
        first = first or key
        if problem["type"] == "extra_forbidden":
            problems.append(f"unknown key {key!r}")
            hints.append(did_you_mean(name, names))
        elif problem["type"] == "missing":
            last = problem["loc"][-1]
            inside = ".".join(filter(None, [where, *location[:-1]]))
            text = f"the key {key!r} is missing"
            problems.append(f"{inside}: value {last + 1} is missing" if isinstance(last, int) else text)
        elif problem["type"] == "quantity":
            problems.append(f"{key}: {problem['msg']}")
            hints.append(problem["ctx"]["hint"])
        else:
            text = problem["msg"].removeprefix("Value error, ")
            problems.append(f"{key}: {text[:1].lower()}{text[1:]}, got {problem['input']!r:.80}")
    return ConfigError("\n".join(dict.fromkeys(problems)), "; ".join(dict.fromkeys(hints)) or None, key=first)


@cache
def _model(target: Callable[..., Any]) -> "type[BaseModel]":
    from pydantic import ConfigDict, Field, create_model

    config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
    )
    fields: dict[str, Any] = {}
    for argument in arguments(target):
        default = ... if argument.required else argument.default
        fields[argument.name] = (argument.annotation, Field(default, description=argument.doc or None))
    return create_model(target.__name__, __config__=config, __doc__=_summary(target), **fields)


def _summary(target: Callable[..., Any]) -> str:
    return (inspect.getdoc(target) or "").partition("\n\n")[0].replace("\n", " ")


def _argument_docs(docstring: str) -> dict[str, str]:
    """The entries of a Google docstring's "Args:" section, or of a dataclass's "Attributes:"."""
    match = re.search(r"^(?:Args|Attributes):\n((?:[ \t]+.*\n?|\n)+)", docstring, re.MULTILINE)
    if match is None:
        return {}
    docs: dict[str, str] = {}
    name = None
    for line in textwrap.dedent(match[1]).splitlines():
        entry = re.match(r"(\w+)(?: \([^)]*\))?: ?(.*)", line)
        if entry:
            name = entry[1]
            docs[name] = entry[2]
        elif name and line.strip():
            docs[name] += " " + line.strip()
    return docs


def _marked[Mark](annotation: Any, mark: type[Mark]) -> Mark | None:
    """The mark of a type anywhere in an annotation."""
    for part in typing.get_args(annotation):
        if isinstance(part, mark):
            return part
        if (found := _marked(part, mark)) is not None:
            return found
    return None


def _choices(annotation: Any) -> str:
    if typing.get_origin(annotation) is Literal:
        return f"One of: {', '.join(map(repr, typing.get_args(annotation)))}."
    found = [text for part in typing.get_args(annotation) if (text := _choices(part))]
    return found[0] if found else ""


def _example(argument: Argument) -> str:
    if any(isinstance(part, Numbers) for part in typing.get_args(argument.annotation)):
        return "[]"
    if "dict" in str(argument.annotation).partition("[")[0]:
        return "{}"
    if argument.unit is not None:
        return f'"1 {argument.unit.symbol}"'
    text = str(argument.annotation)
    lists = dict.fromkeys(("tuple", "list", "Sequence"), "[]")
    for word, example in (lists | {"str": '""', "Path": '""', "bool": "false"}).items():
        if word in text:
            return example
    return "0"
