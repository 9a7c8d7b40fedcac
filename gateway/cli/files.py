"""`maas files`: check a training file locally."""

from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import command
from gateway.fine_tuning.file_check import (
    TrainingFileRejected,
    check_training_file,
    render_file_check,
)
from gateway.upstream.availability import find_catalog_model
from gateway.wire.fine_tuning import build_fine_tuning_request
from infra.settings import Settings
from models.catalog import load_configured_catalog
from models.tables.schema import SchemaRequest

files_app = typer.Typer(no_args_is_help=True)
# Belongs to no account, so that any account's ids in a language model's file are reported.
_NO_ACCOUNT = UUID(int=0)


@files_app.callback()
def files_group() -> None:
    """Check training files."""


@files_app.command("check")
@command
def files_check(
    settings: Settings,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="File to check.")],
    model: Annotated[
        str, typer.Option(help="ID of the model to fine-tune, as `maas models` lists it.")
    ],
    target: Annotated[
        str | None, typer.Option(help="Column to predict, of a table with your own columns.")
    ] = None,
    machine: Annotated[str | None, typer.Option(help="Column with the machine.")] = None,
    time: Annotated[str | None, typer.Option(help="Column with the time.")] = None,
    window: Annotated[
        int | None,
        typer.Option(help="Steps per window of a classifier, or most steps that are averaged."),
    ] = None,
    cap: Annotated[float | None, typer.Option(help="Longer remaining lives count as this.")] = None,
    censored: Annotated[
        list[str] | None,
        typer.Option("--censored", help="Machine that has not failed yet; repeatable."),
    ] = None,
    normal: Annotated[
        str | None, typer.Option(help="Label of normal operation in the target column.")
    ] = None,
    false_alarms: Annotated[
        float | None, typer.Option(help="Share of normal rows that may raise an alarm.")
    ] = None,
    ignored: Annotated[
        list[str] | None, typer.Option("--ignore", help="Column that is not used; repeatable.")
    ] = None,
) -> Report:
    """Check a training file and list its problems.

    Nothing is uploaded or billed. Exits with code 1 if there are problems.
    """
    catalog_model = find_catalog_model(load_configured_catalog(settings), model)
    build_fine_tuning_request(catalog_model, b"")
    try:
        checked = check_training_file(
            catalog_model,
            file.read_bytes(),
            _NO_ACCOUNT,
            settings.profile,
            False,
            SchemaRequest(
                target=target,
                machine=machine,
                time=time,
                ignored=tuple(ignored or ()),
                window=window,
                cap=cap,
                censored=tuple(censored or ()),
                normal=normal,
                false_alarms=false_alarms,
            ),
        )
    except TrainingFileRejected as error:
        return _show_rejected_file(render_file_check(catalog_model, error))
    return _show_valid_file(render_file_check(catalog_model, checked))


def _show_rejected_file(report: dict[str, Any]) -> Report:
    """Return the report on a file with problems."""
    rows = [{**problem, "line": problem["line"] or ""} for problem in report["problems"]]
    table = Table(rows, ("line", "field", "code", "message", "fix"))
    return Report(report, (table,), exit_code=1)


def _show_valid_file(report: dict[str, Any]) -> Report:
    """Return the report on a valid file; of a table with its columns."""
    summary = Record(
        "The file is valid.", {key: value for key, value in report.items() if key != "schema"}
    )
    if report["schema"] is None:
        return Report(report, (summary,))
    columns = [{**column, "unit": column["unit"] or ""} for column in report["schema"]["columns"]]
    shown = ("name", "type", "role", "unit", "missing")
    return Report(report, (summary, Table(columns, shown)))
