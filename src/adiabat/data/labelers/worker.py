"""What runs in a worker process: structures come in as JSON lines, labels go out."""

import json
import os
import signal
import sys

from adiabat.data.labelers import labelers
from adiabat.system import System


def serve() -> None:
    """Answers every line of standard input with one line on standard output, until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes the pipe
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a method that prints must not be taken for an answer
    method = json.loads(sys.stdin.readline())
    labeler = labelers.get(method["name"])(**method["options"])
    for line in sys.stdin:
        labels = labeler.safe_compute(System.create(**json.loads(line)))
        answers.write(json.dumps(labels.as_dict()) + "\n")
        answers.flush()
