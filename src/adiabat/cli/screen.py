"""The command that ranks a library."""

from pathlib import Path
from typing import Annotated

import typer

from adiabat.cli.app import app
from adiabat.cli.options import Force, Json, Level, Resume, RunOut
from adiabat.cli.output import note, note_files, print_result, print_table

RANKING, FILTERS, WORK = "Ranking", "Filters: molecules that break one are not predicted", "Work"


@app.command(
    rich_help_panel="Predict properties of molecules",
    epilog="Example: adiabat screen solubility potency library.smi.gz --objective 'logS>=-4' "
    "--objective pIC50=maximize --rule pains --top 100 --out run-screen",
)
def screen(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL... LIBRARY",
            help="Property models, then molecules: .smi, .csv, .tsv, .parquet, .sdf, also .gz; - is standard "
            "input.",
            show_default=False,
        ),
    ],
    top: Annotated[int, typer.Option(metavar="N", help="How many of the best are listed and drawn.")] = 100,
    explained: Annotated[
        int, typer.Option(metavar="N", help="For how many of them the report says why the models like them.")
    ] = 20,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=GOAL",
            help="NAME=maximize, NAME=minimize, NAME=3..5, NAME>=3 or NAME<=3; again for several. By default "
            "all targets are maximized.",
            rich_help_panel=RANKING,
        ),
    ] = None,
    weight: Annotated[
        list[float] | None,
        typer.Option(metavar="W", help="Of each objective, in the same order.", rich_help_panel=RANKING),
    ] = None,
    caution: Annotated[
        float,
        typer.Option(
            metavar="N",
            help="Rank by the worst value within N standard errors.",
            rich_help_panel=RANKING,
        ),
    ] = 1.0,
    outside: Annotated[
        bool,
        typer.Option(
            "--outside", help="Also rank molecules outside of a model's domain.", rich_help_panel=RANKING
        ),
    ] = False,
    alike: Annotated[
        float,
        typer.Option(
            metavar="T", help="Tanimoto similarity of molecules of one kind.", rich_help_panel=RANKING
        ),
    ] = 0.5,
    level: Level = 0.9,
    rule: Annotated[
        list[str] | None,
        typer.Option(help="pains, brenk, nih, lipinski, veber; again for several.", rich_help_panel=FILTERS),
    ] = None,
    forbid: Annotated[
        list[str] | None,
        typer.Option(metavar="SMARTS", help="What no molecule may have.", rich_help_panel=FILTERS),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(metavar="SMARTS", help="What every molecule must have.", rich_help_panel=FILTERS),
    ] = None,
    least_qed: Annotated[
        float | None,
        typer.Option(metavar="QED", help="Drug-likeness, 0 to 1, at least.", rich_help_panel=FILTERS),
    ] = None,
    most_sa: Annotated[
        float | None,
        typer.Option(
            metavar="SA",
            help="Synthetic accessibility, 1 (easy) to 10, at most.",
            rich_help_panel=FILTERS,
        ),
    ] = None,
    smiles: Annotated[
        str, typer.Option(metavar="COLUMN", help="The column of SMILES strings, of a table.")
    ] = "smiles",
    name: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column of names, of a table.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="KIND",
            help="Of the library, where its name does not say it: smi, csv, tsv, sdf, parquet. By default "
            "its first lines tell.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Processes; by default one for each core.", rich_help_panel=WORK),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help='Work on a Ray cluster; "local" starts one on this machine.',
            rich_help_panel=WORK,
        ),
    ] = None,
    out: RunOut = Path("run-screen"),
    resume: Resume = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Rank a library of any size by what property models predict."""
    from adiabat.base import ConfigError
    from adiabat.tasks.screen import CANDIDATES, MOLECULES, REJECTED, summary_of
    from adiabat.tasks.screen import screen as task

    if len(paths) < 2:
        raise ConfigError(f"{paths[0]} stands alone", "adiabat screen MODEL... LIBRARY")
    found = task(
        paths[:-1],
        paths[-1],
        out=out,
        top=top,
        explained=explained,
        smiles=smiles,
        name=name,
        kind=kind,
        objectives=objective or (),
        weights=weight or (),
        rules=rule or (),
        forbidden=forbid or (),
        required=require or (),
        least_qed=least_qed,
        most_sa=most_sa,
        level=level,
        caution=caution,
        outside=outside,
        alike=alike,
        workers=workers,
        ray=ray,
        resume=resume,
        force=force,
    )
    summary = summary_of(found)
    files = {"molecules": found.folder / MOLECULES, "candidates": found.folder / CANDIDATES}
    files = {key: str(path) for key, path in {**files, "report": found.report}.items()}
    if json:
        print_result({**summary, **files}, as_json=True)
        return
    if summary["best"]:
        print_table(summary["best"])
        note("intervals are of molecules picked blindly; the report says how wide those of the best would be")
    else:
        print("no molecule is inside of the models' domain; --outside ranks the others as well")
    counts = found.counts
    note(
        f"{counts['read']} molecules read, {counts['left_out']} left out by filters, "
        f"{counts['rejected']} rejected ({found.folder / REJECTED} says why)"
    )
    note_files(files)
