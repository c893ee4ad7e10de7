"""What every molecule that is proposed must keep."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adiabat.base import ConfigError
from adiabat.properties.domain import Domain
from adiabat.properties.filters import Filters
from adiabat.properties.fingerprints import count_morgan, similarities
from adiabat.properties.known_inputs import OUTSIDE
from adiabat.properties.molecules import Molecules

if TYPE_CHECKING:
    from rdkit.Chem import Mol

OUT_OF_DOMAIN = "outside of what a model knows"


@dataclass(frozen=True)
class Limits:
    """What stays and what is too much.

    Args:
        scaffold: SMILES or SMARTS of a part that every molecule has to have.
        least_similarity: Tanimoto similarity of count-Morgan fingerprints to the nearest of the molecules
            that the search starts from.
        most_heavy_atoms: in a molecule.
        filters: alerts, patterns, drug-likeness, and how hard a synthesis may be (`most_sa`).
        domains: of models; no molecule is outside of one. A search finds the errors of a model where it does
            not know the molecules.

    Raises:
        ConfigError: limits that no molecule can keep.
    """

    scaffold: str | None = None
    least_similarity: float = 0.0
    most_heavy_atoms: int = 60
    filters: Filters | None = None
    domains: tuple[Domain, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.least_similarity < 1:
            raise ConfigError(f"a similarity of at least {self.least_similarity} is not from 0 to below 1")
        if self.most_heavy_atoms < 1:
            raise ConfigError(f"molecules with at most {self.most_heavy_atoms} heavy atoms do not exist")

    def of(self, start: Sequence[str]) -> Callable[["Mol"], str]:
        """A function that says which limit a molecule breaks, in words; empty where it keeps all.

        Args:
            start: the molecules that the search starts from, standardized.

        Raises:
            ConfigError: a scaffold that cannot be read, that is too large, or that a molecule of the start
                lacks.
        """
        pattern = None if self.scaffold is None else self._pattern(start)
        prints = count_morgan(start)

        def reason(mol: "Mol") -> str:
            from rdkit import Chem

            if mol.GetNumHeavyAtoms() > self.most_heavy_atoms:
                return f"more than {self.most_heavy_atoms} heavy atoms"
            if pattern is not None and not mol.HasSubstructMatch(pattern):
                return "lacks the scaffold"
            if self.least_similarity > 0:
                alike = similarities(count_morgan([Chem.MolToSmiles(mol)]), prints).max()
                if alike < self.least_similarity:
                    return f"similarity below {self.least_similarity}"
            if self.filters is not None and (told := self.filters.reason(mol)):
                return told
            asked = Molecules((Chem.MolToSmiles(mol),), mols=(mol,))
            if any(domain.place(asked).verdict[0] == OUTSIDE for domain in self.domains):
                return OUT_OF_DOMAIN
            return ""

        return reason

    def _pattern(self, start: Sequence[str]) -> Any:
        from rdkit import Chem, rdBase

        with rdBase.BlockLogs():
            pattern = Chem.MolFromSmiles(self.scaffold) or Chem.MolFromSmarts(self.scaffold)
        if pattern is None or not pattern.GetNumAtoms():
            raise ConfigError(f"the scaffold {self.scaffold!r} is neither SMILES nor SMARTS")
        if pattern.GetNumAtoms() > self.most_heavy_atoms:
            raise ConfigError(
                f"the scaffold has {pattern.GetNumAtoms()} atoms, molecules may have {self.most_heavy_atoms}",
                "allow more heavy atoms, or keep less of the molecule",
            )
        for text in start:
            if not Chem.MolFromSmiles(text).HasSubstructMatch(pattern):
                raise ConfigError(
                    f"{text} does not have the scaffold {self.scaffold}",
                    "give a scaffold that all molecules of the start have, or leave this one out",
                )
        return pattern
