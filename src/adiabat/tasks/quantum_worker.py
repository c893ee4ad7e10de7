"""What processes do that ask GFN2-xTB for numbers of molecules: SMILES strings in, numbers out, as JSON."""

import json
from collections.abc import Callable


def prepared(settings: bytes) -> Callable[[bytes], bytes]:
    """The function from SMILES strings to what `quantum` says of each; for `Processes`."""
    from adiabat.properties.quantum import quantum

    embedded = int(settings)

    def answer(job: bytes) -> bytes:
        return json.dumps(
            [quantum(text, embedded).astype(float).tolist() for text in json.loads(job)]
        ).encode()

    return answer
