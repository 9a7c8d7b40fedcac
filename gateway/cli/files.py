"""`maas files`: what is in a training file, without sending it."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from gateway.call.errors import ModelNotFound
from gateway.cli.output import Terminal
from gateway.cli.runner import Json, tell
from gateway.fine_tuning.file_check import TrainingFileRefused, check_json, examine
from gateway.wire.fine_tuning import ask_adaptation
from infra.settings import Settings
from models.catalog import load_catalog

files_app = typer.Typer(no_args_is_help=True)
# Of no account: ids of any are reported, which may not be in a language model's file.
_NOBODY = UUID(int=0)


@files_app.callback()
def files_help() -> None:
    """Training files."""


@files_app.command("check")
def files_check(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The file to check.")],
    model: Annotated[str, typer.Option(help="The model to fine-tune, as `maas models` lists it.")],
    as_json: Json = False,
) -> None:
    """Check a training file for a model and list all problems. Nothing is sent or billed; exit code
    1 if there are any."""
    passed = True

    def work(settings: Settings, terminal: Terminal) -> None:
        nonlocal passed
        known = load_catalog(settings.profile).find(model)
        if known is None:
            raise ModelNotFound(f"The model {model[:100]!r} does not exist.", param="model")
        ask_adaptation(known, b"")
        try:
            found = examine(known, file.read_bytes(), _NOBODY, settings.profile, False)
            report = check_json(known, found)
        except TrainingFileRefused as refused:
            report = check_json(known, refused)
            passed = False
        if as_json or passed:
            terminal.record("Checked.", report)
        else:
            rows = [{**one, "line": one["line"] or ""} for one in report["problems"]]
            terminal.table(rows, ("line", "field", "code", "message", "fix"))

    tell(as_json, work)
    if not passed:
        raise typer.Exit(1)
