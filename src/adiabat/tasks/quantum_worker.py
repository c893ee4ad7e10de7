"""What processes do that ask GFN2-xTB for numbers of molecules: SMILES strings in, numbers out, as JSON."""

import json
from collections.abc import Callable

# Conformers of each: of many molecules any will do.
EMBEDDED = 1


def prepared(_: bytes) -> Callable[[bytes], bytes]:
    """The function from SMILES strings to what `quantum` says of each, or None; for `Processes`."""
    from adiabat.base import AdiabatError
    from adiabat.properties.quantum import quantum

    def said(text: str) -> tuple[float, ...] | None:
        try:
            return quantum(text, EMBEDDED)
        except AdiabatError:
            return None

    def answer(job: bytes) -> bytes:
        return json.dumps([said(text) for text in json.loads(job)]).encode()

    return answer
