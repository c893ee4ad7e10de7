"""A page: sections rendered into one HTML file that needs nothing else."""

import base64
import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from adiabat.base.files import atomic_write
from adiabat.report.cards import Section, Verdict
from adiabat.report.citations import CITATIONS


class Page:
    """A report in one HTML file that opens offline.

    Everything in it is escaped, and a content security policy lets the browser run the scripts of the page
    and no others, and load nothing. The same input gives the same bytes.

    Args:
        title: heading of the page.
        subtitle: a line under it.

    Example:
        page = Page("Ethanol", "trained on 500 GFN2-xTB frames")
        page.add(*training_sections(history=history, evaluations=evaluations, summary=summary))
        page.write("run/report.html")
    """

    def __init__(self, title: str, subtitle: str = ""):
        self.title = title
        self.subtitle = subtitle
        self.sections: list[Section] = []

    def add(self, *sections: Section) -> None:
        """Appends sections in the order given."""
        self.sections.extend(sections)

    def render(self) -> str:
        """The page as HTML."""
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("adiabat.report"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["json"] = _embedded_json
        environment.filters["doi"] = _linked
        kinds = {card.kind for section in self.sections for card in _flat(section.cards)}
        names = ["report.js"]
        names += ["uPlot.iife.min.js", "charts.js"] if "chart" in kinds else []
        names += ["3Dmol-min.js", "viewers.js"] if "viewer" in kinds else []
        scripts = [_static(name) for name in names]
        styles = [_static("report.css")] + ([_static("uPlot.min.css")] if "chart" in kinds else [])
        return environment.get_template("page.html.j2").render(
            title=self.title,
            subtitle=self.subtitle,
            sections=self.sections,
            verdicts=self._verdicts(),
            references=self._references("viewer" in kinds),
            scripts=[Markup(script) for script in scripts],
            styles=[Markup(style) for style in styles],
            policy=" ".join(f"'sha256-{_digest(script)}'" for script in scripts),
        )

    def write(self, path: str | Path) -> Path:
        """Writes the page, replacing the file in one step.

        Raises:
            DataError: the file cannot be written.
        """
        atomic_write(Path(path), self.render())
        return Path(path)

    def _verdicts(self) -> list[tuple[int, Verdict]]:
        return [
            (number, verdict) for number, section in enumerate(self.sections) for verdict in section.verdicts
        ]

    def _references(self, viewer: bool) -> list[str]:
        cited = [key for section in self.sections for key in section.citations] + (
            ["3dmol"] if viewer else []
        )
        return list(dict.fromkeys(CITATIONS.get(key, key) for key in cited))


def _flat(cards: Any) -> list[Any]:
    return [inner for card in cards for inner in ([card] if card.kind != "columns" else _flat(card.cards))]


def _static(name: str) -> str:
    text = resources.files("adiabat.report").joinpath("static", name).read_text(encoding="utf-8")
    if "</script" in text.lower() or "</style" in text.lower():
        raise ValueError(f"{name} cannot be put into a page: it would close its own element")
    return f"\n{text.strip()}\n"


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _embedded_json(value: Any) -> Markup:
    """JSON that stays inside its script element: no character in it can end it or start a comment."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _linked(text: str) -> Markup:
    """A citation, escaped, with its DOI or arXiv number as a link."""
    words = []
    for word in text.split(" "):
        core = word.rstrip(",.:;")
        tail = word[len(core) :]
        prefix, _, identifier = core.partition(":")
        base = {"doi": "https://doi.org/", "arXiv": "https://arxiv.org/abs/"}.get(prefix)
        link = Markup('<a href="{}{}">{}</a>').format(base, identifier, core) if base and identifier else core
        words.append(Markup("{}{}").format(link, tail))
    return Markup(" ").join(words)
