"""`maas reconcile`: compare usage, billing, engine counts and the collector; store the result."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from billing.collection.payments.checkout import PaymentProviderUnavailable
from billing.metering.corrections import record_cost_correction as write_correction
from billing.outbox import RetryLater
from billing.reconciliation.collector import CollectorComparison, compare_with_collector
from billing.reconciliation.history import get_rated_until, store_check_run
from billing.reconciliation.job import check_figures
from billing.reconciliation.payment_providers import ProviderComparison, compare_with_providers
from billing.reconciliation.usage_and_quotas import (
    EngineComparison,
    EngineCount,
    ReconciliationResult,
    compare_engines,
    load_recorded_tokens,
    reconcile,
)
from billing.reconciliation.usage_rows import check_row_costs
from gateway.cli.process.engine_counters import EngineNotCompared, fetch_engine_counts
from gateway.cli.process.supervisor import serving_base_url
from gateway.cli.results import Record, Report
from gateway.cli.runner import command
from gateway.process.integrations import create_checkout, create_collector
from gateway.upstream.load_balancer import Router
from gateway.upstream.server_specs import parse_upstreams
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.settings import Settings
from models.catalog import Model, Task, load_configured_catalog


class CollectorNotResponding(AppError):
    """The collector cannot be reached, so its invoices cannot be compared."""

    status = 503
    code = "stripe_silent"


@command
async def reconcile_all(
    database: Database,
    settings: Settings,
    clock: Clock,
    all_rows: Annotated[
        bool,
        typer.Option(
            help="Check the cost of all calls, also of those that were found correct before."
        ),
    ] = False,
    correct: Annotated[
        bool,
        typer.Option(help="Append a correction for each call whose cost is wrong."),
    ] = False,
) -> Report:
    """Check that usage, limits, invoices and the ledger agree.

    Also compares them with the token counts of the engines, with Stripe's invoices, and with the
    payments at WeChat Pay and Alipay. Exits with code 1 if there is a difference.
    """
    started_at = clock.now()
    async with database.transaction() as session:
        before = await load_recorded_tokens(session)
        since = 0 if all_rows else await get_rated_until(session)
    catalog = load_configured_catalog(settings).run_by_own_servers()
    text_models = catalog.with_task(Task.TEXT_GENERATION)
    answers = await asyncio.to_thread(
        fetch_engine_counts, _engine_urls(settings, clock, text_models)
    )
    counts = [answer for answer in answers if isinstance(answer, EngineCount)]
    corrected = await _append_corrections(database, clock, since) if correct else 0
    async with database.transaction() as session:
        reconciled = await reconcile(session, since)
        compared = await compare_engines(session, counts, before, adapters_by_base(text_models))
    collected = await _compare_with_collector(settings, database)
    paid = await _compare_with_providers(settings, database, clock)
    figures = {
        **check_figures(reconciled),
        "usage_rows_corrected": corrected,
        "stripe_invoices": collected.invoices if collected else "not asked",
        "payment_orders": paid.orders if paid else "not asked",
    }
    skipped = [answer for answer in answers if isinstance(answer, EngineNotCompared)]
    engines = [*map(_engine_row, compared), *map(_skipped_engine_row, skipped)]
    differences = _differences(reconciled, compared, collected, paid)
    async with database.transaction() as session:
        result = {**figures, "engines": engines}
        await store_check_run(session, clock, started_at, "command", result, differences)
    return _report(figures, engines, differences)


async def _append_corrections(database: Database, clock: Clock, since: int) -> int:
    """Append a correction for each usage row whose cost does not match its quantities.

    Covers all accounts (account_id). Returns the number of corrections.
    """
    async with database.transaction() as session:
        wrong = (await check_row_costs(session, since)).wrong
        for row in wrong:
            await write_correction(
                session, clock, row.account_id, row.request_id, row.recorded, row.expected
            )
    return len(wrong)


def adapters_by_base(text_models: Sequence[Model]) -> Mapping[str, Sequence[str]]:
    """Return the ids of the LoRA adapter models, by the id of the base model that serves them."""
    adapters: dict[str, list[str]] = {}
    for model in text_models:
        if model.base is not None:
            adapters.setdefault(model.base, []).append(model.id)
    return adapters


def _engine_urls(
    settings: Settings, clock: Clock, text_models: Sequence[Model]
) -> Mapping[str, Sequence[str]]:
    """Return the server URLs of each text model with its own engine."""
    router = Router(parse_upstreams(serving_base_url(settings)), clock)
    return {model.id: router.server_urls(model.id) for model in text_models if model.base is None}


async def _compare_with_collector(
    settings: Settings, database: Database
) -> CollectorComparison | None:
    """Compare invoices with the collector, None without one. Raises CollectorNotResponding."""
    collector = create_collector(settings)
    if collector is None:
        return None
    try:
        return await compare_with_collector(database, collector)
    except RetryLater as error:
        raise CollectorNotResponding(
            f"{collector.info.label} does not respond, so its invoices were not compared: {error}. "
            "Run `maas reconcile` again later."
        ) from error
    finally:
        await collector.close()


async def _compare_with_providers(
    settings: Settings, database: Database, clock: Clock
) -> ProviderComparison | None:
    """Compare payment orders with their providers, None without one.

    Raises PaymentProviderUnavailable.
    """
    checkout = create_checkout(settings, clock, database)
    if not checkout.providers.names:
        return None
    try:
        return await compare_with_providers(database, clock.now(), checkout)
    except RetryLater as error:
        raise PaymentProviderUnavailable(
            f"Payment orders were not compared: {error} Run `maas reconcile` again later."
        ) from error
    finally:
        await checkout.close()


def _differences(
    reconciled: ReconciliationResult,
    compared: Sequence[EngineComparison],
    collected: CollectorComparison | None,
    paid: ProviderComparison | None,
) -> list[dict[str, Any]]:
    """Return the differences that the checks of database, engines and providers found, as JSON."""
    differences = [
        *reconciled.differences,
        *(difference for comparison in compared for difference in comparison.differences),
    ]
    differences += collected.differences if collected else ()
    differences += paid.differences if paid else ()
    return [asdict(difference) for difference in differences]


def _report(
    figures: Mapping[str, Any],
    engines: Sequence[Mapping[str, Any]],
    differences: Sequence[Mapping[str, Any]],
) -> Report:
    """Return the printable result of all checks; its exit code is 1 if there are differences."""
    title = "Differences found." if differences else "All records agree."
    sections = [
        Record(title, {**figures, "differences": len(differences)}),
        *(Record("Tokens counted by an engine:", engine) for engine in engines),
        *(Record("Difference:", difference) for difference in differences),
    ]
    value = {**figures, "engines": engines, "differences": differences}
    return Report(value, sections, exit_code=1 if differences else 0)


def _engine_row(compared: EngineComparison) -> dict[str, Any]:
    """Return the comparison of a model's recorded tokens with its engine's as output fields."""
    row = asdict(compared)
    del row["differences"]  # listed with all other differences
    return row


def _skipped_engine_row(skipped: EngineNotCompared) -> dict[str, Any]:
    """Return a model that could not be compared as output fields."""
    return {"model": skipped.model, "not_asked": skipped.reason}
