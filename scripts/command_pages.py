"""The command line and the configuration keys as pages: read from the program itself."""

import re
import typing
from collections.abc import Iterator
from typing import Any

from api_pages import WARNING

OPENING = """\
# Command line

{warning}

`MODEL` is a model file or a run folder. Quantities take units (`"0.5 fs"`, `"300 K"`); a bare number is
in the unit that the option names. Results go to the standard output, progress and errors to the
standard error. Exit codes: 0 done, 1 failed, 2 wrong usage, configuration or input, 3 the physics
failed (exploded, not converged), 130 stopped after saving (143 after `SIGTERM`).
"""
SETTINGS = """\
# Configuration keys

{warning}

Everything that the command line can set, and more, can stand in a TOML file: `adiabat new TASK` prints
a template with every key, `adiabat check FILE.toml` says what it resolves to, and `--config FILE.toml
--set table.key=value` uses it. An unknown key is an error, and quantities may carry a unit. `adiabat
schema TASK` prints the same as a JSON schema.
"""


def command_page() -> str:
    """All commands with their arguments and options, in the order of the help."""
    import typer

    from adiabat.cli.main import app

    program: Any = typer.main.get_command(app)
    parts = [OPENING.format(warning=WARNING)]
    parts += ["## Options of every command\n", table([p for p in program.params if p.name != "help"])]
    parts += [section(name, command) for name, command in commands(program)]
    return "\n".join(parts).rstrip() + "\n"


def commands(group: Any, before: str = "adiabat") -> Iterator[tuple[str, Any]]:
    """All commands of a group with their names, those of groups within it behind the group itself."""
    for name, command in sorted(group.commands.items()):
        yield f"{before} {name}", command
        if hasattr(command, "commands"):
            yield from commands(command, f"{before} {name}")


def section(name: str, command: Any) -> str:
    """What a command does, an example, its arguments and options; of a group, its commands."""
    parts = [f"## {name}\n", plain(command.help or ""), ""]
    if command.epilog:
        parts += ["    " + plain(command.epilog).removeprefix("Example: "), ""]
    if hasattr(command, "commands"):
        parts.append(f"Its commands: {', '.join(f'`{one}`' for one, _ in commands(command, name))}.\n")
    else:
        parts.append(table(command.params))
    return "\n".join(parts)


def table(parameters: list[Any]) -> str:
    """Arguments first, then options."""
    lines = ["| | | default |", "|---|---|---|"]
    for parameter in sorted(parameters, key=lambda p: p.param_type_name != "argument"):
        lines.append(f"| {usage(parameter)} | {cell(parameter.help or '')} | {default(parameter)} |")
    return "\n".join(lines) + "\n"


def usage(parameter: Any) -> str:
    """How it is typed."""
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    if getattr(parameter, "is_flag", False):
        return names
    return cell(f"{names} `{parameter.metavar or kind(parameter.type_descriptor.annotation)}`")


def kind(annotation: Any) -> str:
    """A type as a placeholder: INT, PATH, ..."""
    types = [part for part in (*typing.get_args(annotation), annotation) if isinstance(part, type)]
    return types[0].__name__.upper()


def default(parameter: Any) -> str:
    """What holds when it is not given."""
    if parameter.required:
        return "required"
    shown = getattr(parameter, "show_default", None)
    if isinstance(shown, str):
        return cell(shown)
    value = parameter.default
    return "" if value is None or isinstance(value, bool) or callable(value) else cell(str(value))


def plain(text: str) -> str:
    """Help without rich's markup."""
    return re.sub(r"\[/?(?:b|bold|dim|i)\]", "", text).strip()


def cell(text: str) -> str:
    """A text that fits between two bars."""
    return " ".join(plain(text).split()).replace("|", "\\|")


def configuration_page() -> str:
    """The keys of each task that has settings."""
    from adiabat.tasks.templates import _TASKS, schema

    parts = [SETTINGS.format(warning=WARNING)]
    for task in _TASKS:
        parts += [f"## {task}\n", "| key | type | default | |", "|---|---|---|---|"]
        for key, entry in sorted(schema(task, True).items()):
            if "const" in entry:
                continue
            kind = cell(
                " ".join([str(entry.get("type", " or ".join(entry.get("enum", [])))), entry.get("unit", "")])
            )
            about = cell(entry.get("description", ""))
            given = entry.get("default")
            parts.append(f"| `{key}` | {kind} | {'' if given is None else cell(str(given))} | {about} |")
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"
