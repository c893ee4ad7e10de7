"""HTML pages: what a run found, in one file that opens offline.

The numbers come from `adiabat.analysis`; what to compute, and for which run, is decided in `adiabat.tasks`.
"""

from adiabat.report.cards import Section
from adiabat.report.page import Page
from adiabat.report.training import training_sections

__all__ = ["Page", "Section", "training_sections"]
