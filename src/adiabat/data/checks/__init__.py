"""What can be wrong with labelled data, one file for each kind of question; `preflight` asks them all.

A check is a function from a `Survey` to the `Finding`s it makes.
"""

from adiabat.data.checks.finding import Finding, Preflight
from adiabat.data.checks.preflight import preflight, preflight_head

__all__ = ["Finding", "Preflight", "preflight", "preflight_head"]
