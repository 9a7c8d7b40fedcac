"""`maas models observed`: predicted against observed results of a customer's own model."""

from typing import Annotated, Any

import typer

from gateway.cli.results import Report, Table
from gateway.cli.runner import command
from gateway.drift.lookup import find_current_version
from gateway.observations.report import load_reports, reports_json
from infra.database.database import Database

_COLUMNS = ("version", "rows", "metric", "score", "mean error", "stated", "observed", "kept")
_KEPT = {True: "yes", False: "no", None: "too few rows"}


@command
async def models_observed(
    database: Database,
    model: Annotated[str, typer.Argument(help="ID of the fine-tuned model: `ft:…`.")],
) -> Report:
    """Show the score of each version on observed results, and whether its intervals hold."""
    async with database.transaction() as session:
        account_id, _, _ = await find_current_version(session, model)
    found = reports_json(model, await load_reports(database, account_id, model))
    return Report(found, [Table([_row(one) for one in found["data"]], _COLUMNS)])


def _row(one: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a version as a row of the table."""
    row = {"version": one["version"], "rows": one["rows"]}
    if not one["rows"]:
        return {**row, **dict.fromkeys(_COLUMNS[2:], "–")}
    promise, error = one["promise"], one["mean_error"]
    return {
        **row,
        "metric": one["metric"],
        "score": f"{one['score']:.4g}",
        "mean error": "–" if error is None else f"{error:+.4g}",
        "stated": "–" if promise is None else f"{promise['nominal']:.1%}",
        "observed": "–" if promise is None else f"{promise['observed']:.1%}",
        "kept": "–" if promise is None else _KEPT[promise["kept"]],
    }
