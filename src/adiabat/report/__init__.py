"""HTML pages: what a run found, in one file that opens offline.

The numbers come from `adiabat.analysis`; what to compute, and for which run, is decided in `adiabat.tasks`.
"""

from adiabat.report.candidates import candidate_sections
from adiabat.report.cards import Section
from adiabat.report.data import data_sections
from adiabat.report.dynamics import dynamics_sections
from adiabat.report.explanations import explanation_sections
from adiabat.report.page import Page
from adiabat.report.provenance import provenance_sections
from adiabat.report.training import training_sections

__all__ = [
    "Page",
    "Section",
    "candidate_sections",
    "data_sections",
    "dynamics_sections",
    "explanation_sections",
    "provenance_sections",
    "training_sections",
]
