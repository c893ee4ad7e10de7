"""The section that says how to get the same again."""

import shlex
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from adiabat.report.cards import Code, Columns, Facts, Section
from adiabat.report.formatting import flattened, number

_FACTS = ("task", "status", "version", "seed", "created", "ended", "wall_seconds", "python", "platform")


def provenance_sections(run: Mapping[str, Any]) -> list[Section]:
    """Command, versions, seed and configuration of a run.

    Args:
        run: the content of run.json, with the configuration under `config` (a mapping, or TOML text) and,
            where there are any, `citations` (texts). `command`, text or words, replaces the sessions' own.
    """
    cards: list[Any] = []
    commands = _commands(run)
    if commands:
        cards.append(Code("\n".join(commands), title="Command"))
    facts = {key.replace("_", " "): number(run[key]) for key in _FACTS if run.get(key) is not None}
    boxes = [Facts(facts, title="Run")] if facts else []
    for key, title in (("packages", "Versions"), ("environment", "Machine")):
        if run.get(key):
            boxes.append(Facts(flattened(dict(run[key])), title=title))
    cards += [Columns(boxes)] if len(boxes) > 1 else boxes
    config = run.get("config")
    if config:
        text = config if isinstance(config, str) else _toml(config)
        cards.append(Code(text, title="Configuration", folded=True))
    return [Section("Reproduction", cards, citations=tuple(run.get("citations") or ()))]


def _toml(config: Mapping[str, Any]) -> str:
    from adiabat.base.config import dump_config

    return dump_config(dict(config))


def _commands(run: Mapping[str, Any]) -> list[str]:
    given = run.get("command")
    commands = [given] if given else [session.get("command") for session in run.get("sessions") or []]
    return list(dict.fromkeys(_command(command) for command in commands if command))


def _command(command: Any) -> str:
    if isinstance(command, str):
        return command
    program, *words = [str(word) for word in command]
    return shlex.join([PurePath(program).name, *words])
