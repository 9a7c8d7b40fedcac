"""`maas files`: check a training file locally."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from gateway.cli.output import Output
from gateway.cli.runner import Json, run_command
from gateway.fine_tuning.file_check import (
    TrainingFileRejected,
    check_training_file,
    render_file_check,
)
from gateway.upstream.availability import find_catalog_model
from gateway.wire.fine_tuning import build_fine_tuning_request
from infra.settings import Settings
from models.catalog import load_catalog

files_app = typer.Typer(no_args_is_help=True)
# Belongs to no account, so that any account's ids in a language model's file are reported.
_NO_ACCOUNT = UUID(int=0)


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

    def execute(settings: Settings, output: Output) -> None:
        nonlocal passed
        catalog_model = find_catalog_model(load_catalog(settings.profile), model)
        build_fine_tuning_request(catalog_model, b"")
        try:
            checked = check_training_file(
                catalog_model, file.read_bytes(), _NO_ACCOUNT, settings.profile, False
            )
            report = render_file_check(catalog_model, checked)
        except TrainingFileRejected as error:
            report = render_file_check(catalog_model, error)
            passed = False
        if as_json or passed:
            output.record("Checked.", report)
        else:
            rows = [{**problem, "line": problem["line"] or ""} for problem in report["problems"]]
            output.table(rows, ("line", "field", "code", "message", "fix"))

    run_command(as_json, execute)
    if not passed:
        raise typer.Exit(1)
