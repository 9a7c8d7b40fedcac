"""`maas models drift`: how far the inputs of a customer's own model have moved since training."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import command
from gateway.drift.lookup import find_current_version
from gateway.drift.report import drift_json, load_drift
from infra.clock import Clock

_COLUMNS = ("variable", "role", "psi", "level", "training", "serving", "outside")


@command
async def models_drift(
    session: AsyncSession,
    clock: Clock,
    model: Annotated[str, typer.Argument(help="ID of the fine-tuned model: `ft:…`.")],
) -> Report:
    """Show how far the inputs and predictions of a fine-tuned model have moved since training."""
    account_id, variant_id, version = await find_current_version(session, model)
    report = await load_drift(session, account_id, variant_id, clock.now())
    found = drift_json(model, version, report)
    summary = Record(
        f"{model} version {version}:",
        {
            "level": found["level"] or found["reason"],
            "rows": found["rows"],
            "since": found["since"] or "–",
        },
    )
    rows = [_row(variable) for variable in found["variables"]]
    return Report(found, [summary, *([Table(rows, _COLUMNS)] if rows else [])])


def _row(variable: Mapping[str, Any]) -> dict[str, Any]:
    """Return a variable as a row of the table."""
    unit = f" {variable['unit']}" if variable["unit"] else ""
    return {
        "variable": variable["name"],
        "role": variable["role"],
        "psi": f"{variable['psi']:.3f}",
        "level": variable["level"],
        "training": _text(variable["training"], unit),
        "serving": _text(variable["serving"], unit),
        "outside": f"{variable['serving']['outside']:.1%}",
    }


def _text(summary: Mapping[str, Any], unit: str) -> str:
    """Return the mean of a number, or the shares of a category, as a text."""
    if "mean" in summary:
        return f"{summary['mean']:.4g}{unit}"
    return ", ".join(f"{value} {share:.0%}" for value, share in summary["shares"].items()) or "–"
