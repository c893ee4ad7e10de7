"""The examples of a page: its fenced blocks, with what an HTML comment just before a block says of it.

`<!-- not run: reason -->`         leave it out
`<!-- file: NAME -->`              write it to that file
`<!-- in tests: A => B; C => D -->` replace texts before running, to make a long command short
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"(?:<!--(?P<note>(?:(?!-->).)*)-->\n+)?```(?P<language>\w+)\n(?P<code>.*?)\n```", re.DOTALL
)


@dataclass(frozen=True)
class Example:
    """One fenced block.

    Attributes:
        language: bash, python, toml, ...
        code: what is in the block, with the replacements made.
        file: where to write it instead of running it.
        line: where in the page it stands.
    """

    language: str
    code: str
    file: str | None
    line: int


def examples(page: Path) -> list[Example]:
    """What of a page is to be run or written, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        kind, _, rest = (match["note"] or "").strip().partition(":")
        if kind == "not run":
            continue
        code = match["code"]
        for pair in rest.split(";") if kind == "in tests" else []:
            old, new = (part.strip() for part in pair.split("=>"))
            assert old in code, f"{page.name}: {old!r} is not in the block below it"
            code = code.replace(old, new)
        file = rest.strip() if kind == "file" else None
        if file or match["language"] in {"bash", "python"}:
            line = text[: match.start("code")].count("\n") + 1
            found.append(Example(match["language"], code, file, line))
    return found


def run(example: Example, folder: Path) -> subprocess.CompletedProcess[str] | None:
    """Run or write one example in a folder, with this environment's commands first on the PATH."""
    if example.file:
        (folder / example.file).write_text(example.code + "\n", encoding="utf-8")
        return None
    commands = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        [*commands[example.language], example.code],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )
