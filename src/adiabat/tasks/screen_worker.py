"""What the processes of a screening do: entries of a library in, a table out."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from adiabat.properties.filters import Filters
from adiabat.properties.library import Entry
from adiabat.properties.model import load_property_model
from adiabat.properties.optimize.objectives import Objective
from adiabat.properties.screening import Screen, Wish
from adiabat.tasks.precision import enable


def prepared(settings: bytes) -> Callable[[bytes], bytes]:
    """The function from entries, as JSON, to a table in Arrow's stream format; for `Processes`."""
    import pyarrow
    from rdkit import rdBase

    enable()
    screen = screen_of(json.loads(settings))

    def answer(job: bytes) -> bytes:
        with rdBase.BlockLogs():
            batch = screen([Entry(*fields) for fields in json.loads(job)])
        sink = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        return sink.getvalue().to_pybytes()

    return answer


def screen_of(settings: Mapping[str, Any]) -> Screen:
    """The screen of settings: `models` by their paths, and what `Screen` takes beside them; nothing is wished
    for and left out by default."""
    objectives = tuple(
        Objective(name, tuple(goal) if isinstance(goal, list) else goal, weight)
        for name, goal, weight in settings.get("objectives", ())
    )
    return Screen(
        [load_property_model(path) for path in settings["models"]],
        Filters(**settings.get("filters", {})),
        Wish(objectives, np.array(settings.get("scales", ())), settings.get("caution", 1.0)),
        settings.get("level", 0.9),
    )


def jobs(entries: Any, size: int) -> Any:
    """Entries in parts of one size, as JSON."""
    part: list[Entry] = []
    for entry in entries:
        part.append(entry)
        if len(part) == size:
            yield json.dumps(part).encode()
            part = []
    if part:
        yield json.dumps(part).encode()
