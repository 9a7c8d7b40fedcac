"""`maas models compare`: compare models on a table with known results."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from gateway.cli.billing.billed_runs import (
    confirm,
    load_principal,
    open_components,
    require_gateway,
    with_servers,
)
from gateway.cli.output import Output
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import command
from gateway.components import Components
from gateway.evaluations.comparisons import rows
from gateway.evaluations.comparisons.offers import ComparisonOffer, new_comparison
from gateway.evaluations.comparisons.views import comparison_json
from gateway.identity.audit_log import CLI_ACTOR, record_audit_event
from gateway.registry.files import EVALS_PURPOSE, create_file
from gateway.registry.files import PREFIX as FILE_PREFIX
from gateway.registry.variants import PUBLIC_ID_PREFIX
from gateway.tables import EvaluationStatus, ModelComparison
from gateway.wire.own_models.comparisons import (
    ComparisonRequest,
    mapping_fields,
    parse_comparison_request,
)
from infra import ids
from infra.installation import migrated_database_url
from infra.settings import Settings

_POLL_S = 1.0
_COLUMNS = ("model", "score", "95 % interval", "difference", "verdict", "coverage")
_VERDICTS = {
    "better": "the first is better",
    "worse": "the first is worse",
    "no_difference_shown": "no difference shown",
}


@dataclass(frozen=True, slots=True)
class _Order:
    """What is compared, on a file, and the account and key that pay, None for the defaults."""

    fields: Mapping[str, Any]
    file: Path
    account: str | None
    key: str | None


@command
def models_compare(
    settings: Settings,
    output: Output,
    models: Annotated[
        list[str], typer.Argument(help="IDs of two to five models; append :2 for version 2.")
    ],
    on: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="Table with the known results.")
    ],
    target: Annotated[str, typer.Option(help="Column with the known result.")],
    machine: Annotated[str, typer.Option(help="Column with the machine.")] = "",
    time: Annotated[str, typer.Option(help="Column with the time.")] = "",
    mapped: Annotated[
        list[str] | None,
        typer.Option("--map", help="Of ready-made models: input=column. Repeatable."),
    ] = None,
    output_name: Annotated[
        str, typer.Option("--output", help="Of ready-made models: the output to compare.")
    ] = "",
    label: Annotated[
        list[str] | None,
        typer.Option(help="Of ready-made models: class=class of the table. Repeatable."),
    ] = None,
    horizon: Annotated[int, typer.Option(help="Of forecasters: steps that are forecast.")] = 24,
    season: Annotated[int, typer.Option(help="Of forecasters: steps of a season.")] = 24,
    account: Annotated[
        str | None, typer.Option(help="Account that pays (ID or name). Default: the only account.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="API key ID (key_…) that pays. Default: the newest one.")
    ] = None,
    max_cost: Annotated[
        str | None, typer.Option(help="Most that the comparison may cost, e.g. 0.50.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Start without asking.")] = False,
    quote: Annotated[bool, typer.Option("--quote", help="Show the cost only.")] = False,
) -> Report:
    """Compare the first model with each other one on rows with known results.

    Shows the cost and asks before it starts. A running gateway makes the predictions.
    """
    ready_made = [model for model in models if not model.startswith(PUBLIC_ID_PREFIX)]
    fields = {
        "models": models,
        "target": target,
        "machine": machine,
        "time": time,
        "horizon": horizon,
        "season": season,
        "max_cost": max_cost,
        **mapping_fields(ready_made, mapped or (), output_name, label or ()),
    }
    order = _Order(fields, on, account, key)
    with migrated_database_url(settings) as url:
        return asyncio.run(_compare(with_servers(settings, url), output, order, yes, quote))


async def _compare(
    settings: Settings, output: Output, order: _Order, yes: bool, quote_only: bool
) -> Report:
    """Store the file, quote the comparison, create it and wait for its end."""
    async with open_components(settings) as parts:
        principal = await load_principal(parts, order.account, order.key)
        request = await _store_file(parts, principal.account_id, order)
        offer = await parts.own_models.comparison_offers.create_offer(principal, request)
        quote = _quote_report(await parts.own_models.comparison_offers.render_quote(offer))
        if quote_only:
            return quote
        await require_gateway(parts)
        if not yes:
            confirm(output, quote, "comparison")
        row = await _create(parts, offer)
        # Ctrl-C ends the command, not the comparison.
        with suppress(asyncio.CancelledError):
            await _wait_for_end(parts, row)
        async with parts.database.transaction() as session:
            name = ids.format_id(rows.COMPARISON_ID_PREFIX, row.id)
            ended = await rows.find_comparison(session, row.account_id, name)
        return _report(comparison_json(ended))


async def _store_file(parts: Components, account_id: Any, order: _Order) -> ComparisonRequest:
    """Store the table as a file of the account, and return the request that names it.

    Raises ParameterInvalid, TooManyFiles.
    """
    # A file name that is not UTF-8 cannot be stored.
    name = order.file.name.encode(errors="replace").decode()
    parse_comparison_request(msgspec.json.encode({**order.fields, "file": ""}))
    async with parts.database.transaction() as session:
        content = order.file.read_bytes()
        file = await create_file(session, parts.clock, account_id, name, content, EVALS_PURPOSE)
    public_id = ids.format_id(FILE_PREFIX, file.id)
    return parse_comparison_request(msgspec.json.encode({**order.fields, "file": public_id}))


async def _create(parts: Components, offer: ComparisonOffer) -> ModelComparison:
    """Create the comparison with its audit entry."""
    async with parts.database.transaction() as session:
        row = await rows.create_comparison(session, parts.clock, new_comparison(offer))
        await record_audit_event(
            session,
            parts.clock,
            CLI_ACTOR,
            row.account_id,
            "comparison.created",
            ids.format_id(rows.COMPARISON_ID_PREFIX, row.id),
            {"models": row.models, "file": offer.file.filename},
        )
    return row


async def _wait_for_end(parts: Components, row: ModelComparison) -> None:
    """Wait until the comparison has ended."""
    name = ids.format_id(rows.COMPARISON_ID_PREFIX, row.id)
    while True:
        async with parts.database.transaction() as session:
            found = await rows.find_comparison(session, row.account_id, name)
        if EvaluationStatus(found.status).over:
            return
        await asyncio.sleep(_POLL_S)


def _quote_report(quote: Mapping[str, Any]) -> Report:
    """Return the quote of a comparison."""
    currency = quote["currency"]
    fields = {
        "rows": quote["rows"],
        **{one["model"]: f"{one['max_cost']} {currency}" for one in quote["models"]},
        "most in total": f"{quote['max_cost']} {currency}",
        "available balance": "no limit"
        if quote["balance"] is None
        else f"{quote['balance']} {currency}",
        **_notes(quote),
    }
    return Report(quote, (Record("Cost of the comparison:", fields),))


def _notes(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the notes of a comparison or its quote, by what they are on."""
    return {
        f"note {number}": f"{one['model']}: {one['message']}"
        for number, one in enumerate(found["notes"], 1)
    }


def _report(found: Mapping[str, Any]) -> Report:
    """Return an ended comparison; exit code 1 if it was not completed."""
    if found["status"] != EvaluationStatus.COMPLETED:
        error = found["error"] or {}
        fields = {"code": error.get("code", ""), "message": error.get("message", "")}
        return Report(found, (Record(f"The comparison ended: {found['status']}.", fields),), 1)
    summary = {
        "rows": found["rows"],
        "metric": found["metric"],
        "uncertainty by": found["clusters"],
        "cost": f"{found['cost']} {found['currency']}",
        **_notes(found),
    }
    table = Table([_row(one) for one in found["results"]], _COLUMNS)
    return Report(found, (Record(f"{found['id']}:", summary), table))


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a model as a row."""
    coverage, difference = one["interval_coverage"], one["difference_interval"]
    return {
        "model": one["model"],
        "score": _figure(one["score"]),
        "95 % interval": _interval(one["score_interval"]),
        "difference": "" if difference is None else _interval(difference),
        "verdict": _VERDICTS.get(one["first_is"] or "", ""),
        "coverage": "" if coverage is None else f"{coverage['share']:.1%}",
    }


def _interval(bounds: list[float | None]) -> str:
    """Return the bounds of an interval as text."""
    return f"{_figure(bounds[0])} to {_figure(bounds[1])}"


def _figure(value: float | None) -> str:
    """Return a figure as text, a dash if it could not be computed."""
    return "–" if value is None else f"{value:.4g}"
