"""A short name for numbers and settings, to tell whether they are the same as before."""

import hashlib
from typing import Any

import numpy as np


def digest(*parts: Any) -> str:
    """Sixteen hex digits of SHA-256 over texts, arrays and numbers; None counts as a part of its own."""
    found = hashlib.sha256()
    for part in parts:
        match part:
            case None:
                found.update(b"-")
            case str():
                found.update(part.encode())
            case _:
                found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()[:16]
