"""Rules that molecules of a library must keep."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from adiabat.base import ConfigError

if TYPE_CHECKING:
    from rdkit.Chem import Mol

ALERTS = ("pains", "brenk", "nih")
LIMITS = ("lipinski", "veber")


class Filters:
    """Says why a molecule is left out.

    `pains` (Baell and Holloway 2010, doi 10.1021/jm901137j), `brenk` (Brenk et al. 2008,
    doi 10.1002/cmdc.200700139) and `nih` are alerts of RDKit's catalogs; `lipinski` allows one of his four
    rules to be broken (2001, doi 10.1016/S0169-409X(00)00129-0), `veber` wants at most ten rotatable bonds
    and 140 Å² of polar surface (2002, doi 10.1021/jm020017n).

    Args:
        rules: names of those above.
        forbidden: SMARTS patterns that no molecule may have.
        required: SMARTS patterns that every molecule must have.
        least_qed: quantitative estimate of drug-likeness, 0 to 1 (Bickerton et al. 2012,
            doi 10.1038/nchem.1243).
        most_sa: synthetic accessibility, 1 (easy) to 10 (Ertl and Schuffenhauer 2009,
            doi 10.1186/1758-2946-1-8).

    Raises:
        ConfigError: another rule, a pattern that is not SMARTS, or a limit that no molecule keeps.
    """

    def __init__(
        self,
        *,
        rules: Sequence[str] = (),
        forbidden: Sequence[str] = (),
        required: Sequence[str] = (),
        least_qed: float | None = None,
        most_sa: float | None = None,
    ):
        unknown = [rule for rule in rules if rule not in (*ALERTS, *LIMITS)]
        if unknown:
            raise ConfigError(
                f"there is no rule {unknown[0]!r}", f"choose from {', '.join((*ALERTS, *LIMITS))}"
            )
        # Each in the sense that NaN is refused as well.
        if least_qed is not None and not least_qed < 1:
            raise ConfigError(
                f"no molecule has a QED of {least_qed:g} or more: it ends below 1",
                "ask for at least 0.3 to 0.7",
            )
        if most_sa is not None and not most_sa >= 1:
            raise ConfigError(
                f"no molecule has a synthetic accessibility of {most_sa:g} or less: it begins at 1 (easy)",
                "ask for at most 3 to 5",
            )
        self.rules = tuple(rules)
        self.least_qed, self.most_sa = least_qed, most_sa
        self._forbidden = [(text, _pattern(text)) for text in forbidden]
        self._required = [(text, _pattern(text)) for text in required]
        self._checks = list(self._ordered())

    def reason(self, mol: "Mol") -> str:
        """The first rule that a molecule breaks, in words; empty where it keeps all."""
        for text, pattern in self._required:
            if not mol.HasSubstructMatch(pattern):
                return f"lacks {text}"
        for text, pattern in self._forbidden:
            if mol.HasSubstructMatch(pattern):
                return f"has {text}"
        for rule, check in self._checks:
            if broken := check(mol):
                return f"{rule}{broken}"
        return ""

    def _ordered(self) -> Iterator[tuple[str, Callable[["Mol"], str]]]:
        """What is asked for, the quick before the slow: from a tenth of a millisecond to several."""
        quick = {"veber": _veber, "lipinski": _lipinski}
        yield from ((f"{rule}: ", check) for rule, check in quick.items() if rule in self.rules)
        if (most := self.most_sa) is not None:
            yield (
                "synthetic accessibility ",
                lambda mol: f"{found:.1f}" if (found := synthetic_accessibility(mol)) > most else "",
            )
        slow = ("brenk", "nih")
        yield from ((f"{rule}: ", _alert(rule)) for rule in slow if rule in self.rules)
        if (least := self.least_qed) is not None:
            yield "QED ", lambda mol: f"{found:.2f}" if (found := drug_likeness(mol)) < least else ""
        if "pains" in self.rules:
            yield "pains: ", _alert("pains")


def drug_likeness(mol: "Mol") -> float:
    """QED, 0 to 1 (doi 10.1038/nchem.1243)."""
    from rdkit.Chem import QED

    return float(QED.qed(mol))


def synthetic_accessibility(mol: "Mol") -> float:
    """1 (easy) to 10 (hard), by RDKit's contributed score (doi 10.1186/1758-2946-1-8)."""
    from rdkit.Contrib.SA_Score import sascorer  # pyright: ignore[reportMissingImports]

    return float(sascorer.calculateScore(mol))


def _pattern(text: str) -> Any:
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        pattern = Chem.MolFromSmarts(text)
    if pattern is None or not pattern.GetNumAtoms():
        raise ConfigError(
            f"{text!r} is not a SMARTS pattern", "for example [CX3](=O)[OH] is a carboxylic acid"
        )
    return pattern


def _alert(rule: str) -> "Callable[[Mol], str]":
    from rdkit.Chem import FilterCatalog

    kinds = FilterCatalog.FilterCatalogParams.FilterCatalogs
    catalog = FilterCatalog.FilterCatalog(FilterCatalog.FilterCatalogParams(getattr(kinds, rule.upper())))

    def found(mol: "Mol") -> str:
        match = catalog.GetFirstMatch(mol)
        return "" if match is None else match.GetDescription()

    return found


def _lipinski(mol: "Mol") -> str:
    from rdkit.Chem import Crippen, Descriptors, Lipinski

    broken = [
        text
        for text, holds in (
            ("molecular weight above 500", Descriptors.MolWt(mol) <= 500),  # pyright: ignore[reportAttributeAccessIssue]
            ("logP above 5", Crippen.MolLogP(mol) <= 5),  # pyright: ignore[reportAttributeAccessIssue]
            ("more than 5 donors", Lipinski.NumHDonors(mol) <= 5),  # pyright: ignore[reportAttributeAccessIssue]
            ("more than 10 acceptors", Lipinski.NumHAcceptors(mol) <= 10),  # pyright: ignore[reportAttributeAccessIssue]
        )
        if not holds
    ]
    return " and ".join(broken) if len(broken) > 1 else ""


def _veber(mol: "Mol") -> str:
    from rdkit.Chem import rdMolDescriptors

    if rdMolDescriptors.CalcNumRotatableBonds(mol) > 10:
        return "more than 10 rotatable bonds"
    return "polar surface above 140 Å²" if rdMolDescriptors.CalcTPSA(mol) > 140 else ""
