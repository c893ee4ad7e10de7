"""Makes docs/benchmarks.md from benchmarks/results/*.json: `make benchmarks-table`."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"

INTRODUCTION = """\
# Benchmarks

Every figure here was measured by the command above its table, typed in the root of a checkout, on the
machine named below it. *Aim* is what we set out to reach; a figure that misses it stands here all the same.
This page is made from `benchmarks/results/*.json` by `make benchmarks-table`, and no line of it by hand.
"""
COLUMNS = {
    "what": "What",
    "value": "Measured",
    "unit": "Unit",
    "bar": "Aim",
    "published": "Published",
    "note": "Note",
}


def results() -> list[dict[str, Any]]:
    """All results, sorted by name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]


def page(found: list[dict[str, Any]]) -> str:
    """The whole page, results in the order given."""
    return "\n".join([INTRODUCTION, *(section(result) for result in found)])


def section(result: dict[str, Any]) -> str:
    """One result: heading, command, table, machine."""
    rows = result["rows"]
    columns = [key for key in COLUMNS if any(row.get(key) not in (None, "") for row in rows)]
    lines = [
        f"## {result['title']}",
        "",
        f"    {result['command']}",
        "",
        "| " + " | ".join(COLUMNS[key] for key in columns) + " |",
        "|" + "|".join(" ---: " if key == "value" else " --- " for key in columns) + "|",
        *("| " + " | ".join(cell(row.get(key)) for key in columns) + " |" for row in rows),
        "",
        machine(result),
        "",
    ]
    return "\n".join(lines)


def cell(value: Any) -> str:
    """A value as the table shows it: numbers with four digits, texts with their bars escaped."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def machine(result: dict[str, Any]) -> str:
    """On what and when it was measured, in a sentence."""
    of = result["machine"]
    devices = "" if of["devices"] == ["cpu"] else f", {', '.join(of['devices'])}"
    busy = f" (load {of['load']:g})" if "load" in of else ""
    cores = f"{of['cores']} core{'' if of['cores'] == 1 else 's'}"
    versions = ", ".join(f"{name} {of['versions'][name]}" for name in ("adiabat", "jax"))
    return (
        f"Measured on {result['date']}: {of['processor']}, {cores}{busy}, {of['memory_gib']} GiB"
        f"{devices}, {of['system']}, Python {of['python']}, {versions}, commit {of['commit']}."
    )


def main() -> None:
    """Write the page."""
    found = results()
    PAGE.write_text(page(found), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(found)} tables")


if __name__ == "__main__":
    main()
