"""`maas models check`: validate catalog files, and show warnings and changes."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.results import Record, Report
from gateway.cli.runner import command
from gateway.inference.model_selection import unknown_route_tasks
from infra.secrets.named_secrets import NamedSecrets
from infra.settings import Settings
from models.catalog import CATALOG_FILE, CatalogInvalid, Problem
from models.catalog.loading import CatalogContents, read_contents
from models.catalog.problems import advice
from models.catalog.report import CatalogChange, list_changes, list_warnings
from models.routing.classifier import RouteClassifier


@command
def models_check(
    settings: Settings,
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Catalog files. Default: those of MAAS_CATALOG.", show_default=False),
    ] = None,
) -> Report:
    """Validate catalog files and show what they change.

    Exits with code 1 if a file is not valid.
    """
    paths = tuple(files or settings.catalog)
    try:
        contents = read_contents(CATALOG_FILE, paths)
        _check_routes(contents, settings.profile)
    except CatalogInvalid as error:
        return _invalid(paths, error.problems or (Problem("files", error.message),))
    secrets = NamedSecrets(settings.secrets_dir).names()
    warnings = list_warnings(contents, secrets, settings.serving_url is not None)
    changes = list_changes(read_contents(CATALOG_FILE), contents)
    rows = {"warnings": [asdict(row) for row in warnings], "changes": [asdict(c) for c in changes]}
    counts = {"files": len(paths), "models": len({model.id for model in contents.models})}
    sections = [
        Record("The catalog is valid.", counts),
        *(Record(f"Warning: {row.entry}: {row.message}", {}) for row in warnings),
        *(Record(f"Change: {_change_text(change)}", {}) for change in changes),
    ]
    return Report({"valid": True, **_file_names(paths), "problems": [], **rows}, sections)


def _check_routes(contents: CatalogContents, profile: str) -> None:
    """Raise CatalogInvalid if `auto` has a route for a task that it cannot predict."""
    classifier = RouteClassifier.load()
    unknown = unknown_route_tasks(contents.for_profile(profile), classifier)
    if unknown:
        tasks = sorted(unknown)
        text = f"names the unknown task {tasks[0]!r}. {advice(tasks[0], classifier.tasks)}"
        raise CatalogInvalid.of([Problem("files", text, "", "route.task")])


def _invalid(paths: Sequence[Path], problems: Sequence[Problem]) -> Report:
    """Return the report of invalid files, with every problem."""
    rows = [asdict(problem) for problem in problems]
    value = {"valid": False, **_file_names(paths), "problems": rows, "warnings": [], "changes": []}
    sections = [Record(problem.text, {}) for problem in problems]
    return Report(value, sections, exit_code=1)


def _change_text(change: CatalogChange) -> str:
    """Return a change as one line."""
    place = f"{change.entry} {change.field}".strip()
    if change.before is None:
        return f"{place} is new: {change.after}"
    if change.after is None:
        return f"{place} is removed"
    return f"{place}: {change.before} → {change.after}"


def _file_names(paths: Sequence[Path]) -> dict[str, Any]:
    """Return the checked files as an output field."""
    return {"files": [str(path) for path in paths]}
