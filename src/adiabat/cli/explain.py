"""The command that explains predictions."""

from pathlib import Path
from typing import Annotated

import typer

from adiabat.cli.app import app
from adiabat.cli.options import ForceFile, Json, Level, Smiles
from adiabat.cli.output import note, print_result


@app.command(
    rich_help_panel="Predict properties of molecules",
    epilog="Example: adiabat explain run-property 'CC(=O)Nc1ccc(O)cc1' --out why.html",
)
def explain(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A property model.", show_default=False)],
    molecules: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="SMILES, or a file: .smi, .csv, .tsv, .parquet, .sdf, also .gz.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.html", help="The page to write.")] = Path(
        "explanation.html"
    ),
    smiles: Smiles = "smiles",
    count: Annotated[int, typer.Option(metavar="N", min=1, help="Of a file the first so many.")] = 20,
    level: Level = 0.9,
    force: ForceFile = False,
    json: Json = False,
) -> None:
    """What atoms and fragments bring to a predicted property, drawn on the molecule."""
    from adiabat.tasks.explain import explain_properties

    rows = explain_properties(model, molecules, out=out, smiles=smiles, count=count, level=level, force=force)
    if json:
        print_result({"molecules": rows, "page": str(out)}, as_json=True)
        return
    for row in rows:
        if row["error"]:
            note(f"{row['smiles']}: {row['error']}")
            continue
        for name, found in row["targets"].items():
            ends = "" if found["lower"] is None else f" ({found['lower']:.4g} to {found['upper']:.4g})"
            print(f"{row['smiles']}: {name} {found['prediction']:.4g}{ends} {found['unit']}".rstrip())
            for doubt in found["doubts"]:
                note(f"  not shown: {doubt}")
            if not found["doubts"]:
                # Several fragments may be the same.
                parts = sorted(found["fragments"], key=lambda part: -abs(part["contribution"]))
                lines = [(part["smiles"], part["contribution"]) for part in parts]
                lines.append(("without any atom", found["baseline"]))
                width = max(len(fragment) for fragment, _ in lines)
                for fragment, brought in lines:
                    print(f"  {fragment:<{width}}  {brought:+.3g}")
    note(f"page: {out}")
