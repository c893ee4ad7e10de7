"""Commands that only look."""

from adiabat.cli.app import app
from adiabat.cli.options import Json
from adiabat.cli.output import print_result

PANEL = "Look"


@app.command(rich_help_panel=PANEL, epilog="Example: adiabat info --json")
def info(json: Json = False) -> None:
    """Versions, devices, precision: what to send with a question."""
    from adiabat.tasks.info import info as task

    print_result(task(), json)
