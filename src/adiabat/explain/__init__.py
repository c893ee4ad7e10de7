"""Why a model says what it says: contributions of atoms and fragments to a predicted property.

How a model predicts belongs in `adiabat.properties`, how contributions are drawn in `adiabat.report`.
"""

from adiabat.explain.explanation import Explanation, Skill, explain, held_out_skill

__all__ = ["Explanation", "Skill", "explain", "held_out_skill"]
