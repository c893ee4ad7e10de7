"""Configurations: TOML files, `a.b=c` overrides, and the resolved file that a run keeps."""

import json
import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from adiabat.base.errors import ConfigError

MAX_BYTES = 2**20
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_AT_LINE = re.compile(r"at line (\d+)")


def load_config(path: str | os.PathLike) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        ConfigError: no such file, not TOML, or a key given twice; the line is shown.
    """
    return parse_config(read_text(path), str(path))


def read_text(path: str | os.PathLike) -> str:
    """The text of a configuration file, at most 1 MiB of UTF-8."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_BYTES} bytes; a configuration is a short TOML text")
    try:
        return content.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not text: byte {error.start} is not UTF-8") from error


def parse_config(text: str, source: str = "configuration") -> dict[str, Any]:
    """The content of a TOML text; `source` is named in errors."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = _AT_LINE.search(str(error))
        reason = str(error).partition(" (at ")[0]
        reason = "this key or table is given twice" if reason.startswith("Cannot ") else reason
        lines = text.splitlines()
        number = int(match[1]) if match else len(lines)
        shown = f"\n    {lines[number - 1].strip()}" if 0 < number <= len(lines) else ""
        raise ConfigError(f"{source}, line {number}: {reason}{shown}") from error
    except RecursionError as error:
        raise ConfigError(f"{source} is nested too deeply") from error


def find_line(text: str, key: str) -> int | None:
    """The number of the line of a TOML text that sets the dotted `key` or opens that table, or None; the
    second of several tables [[name]] is "name.1"."""
    wanted, table = key.split("."), []
    seen: Counter[str] = Counter()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.fullmatch(r"\s*(\[+)\s*([^\[\]]+?)\s*\]+\s*(#.*)?", line):
            table = _dotted(header[2])
            if header[1] == "[[":
                name = ".".join(table)
                table = [*table, str(seen[name])]
                seen[name] += 1
            path = table
        elif assignment := re.match(r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*[\w-]+)*)\s*=", line):
            path = table + _dotted(assignment[1])
        else:
            continue
        if path == wanted:
            return number
    return None


def _dotted(text: str) -> list[str]:
    return [part.strip().strip("\"'") for part in text.split(".")]


def apply_overrides(config: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """`config` with each "a.b=c" set; the value is TOML, and plain text where it is none ("dt=0.5 fs").

    Raises:
        ConfigError: not of that form, or a.b lies below a value that is no table.
    """
    result = json.loads(json.dumps(config, default=str))
    for override in overrides:
        key, equals, text = override.partition("=")
        parts = [part.strip() for part in key.split(".")]
        if not equals or not all(_BARE_KEY.fullmatch(part) for part in parts):
            raise ConfigError(
                f"cannot read the override {override!r}", hint="write it as --set section.key=value"
            )
        table = result
        for part in parts[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise ConfigError(f"override {override!r}: {part!r} holds a value, not a table")
        table[parts[-1]] = _value(text.strip(), override)
    return result


def _value(text: str, override: str) -> Any:
    try:
        value = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError as error:
        if text[:1] in ('"', "'", "[", "{"):
            raise ConfigError(f"cannot read the value of the override {override!r}: {error}") from error
        return text
    simple = len(value) == 1 and not hasattr(value["value"], "isoformat")
    return value["value"] if simple else text


def dump_config(config: Mapping[str, Any]) -> str:
    """`config` as TOML text; entries that are None are left out, since TOML has no such value."""
    lines: list[str] = []
    _dump_table(config, [], lines)
    return "\n".join(lines).lstrip("\n") + "\n"


def _dump_table(table: Mapping[str, Any], path: list[str], lines: list[str]) -> None:
    nested = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    simple = {key: value for key, value in table.items() if value is not None and key not in nested}
    if path and (simple or not nested):
        lines += ["", f"[{'.'.join(map(_key, path))}]"]
    lines += [f"{_key(str(key))} = {toml_value(value)}" for key, value in simple.items()]
    for key, value in nested.items():
        _dump_table(value, [*path, str(key)], lines)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def toml_value(value: Any) -> str:
    """`value` as TOML writes it on one line."""
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        value = value.item()  # a NumPy scalar
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (str, Path)):
        return _string(str(value))
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, Mapping):
        entries = (f"{_key(str(k))} = {toml_value(v)}" for k, v in value.items() if v is not None)
        return f"{{ {', '.join(entries)} }}"
    raise TypeError(f"TOML cannot hold {value!r}")


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
