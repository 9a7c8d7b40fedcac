"""`maas reconcile`: compare usage, billing, engine counts and the collector; store the result."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.corrections import record_cost_correction as write_correction
from billing.outbox import RetryLater
from billing.reconciliation.collector import CollectorComparison, compare_with_collector
from billing.reconciliation.history import get_rated_until, store_check_run
from billing.reconciliation.job import check_figures
from billing.reconciliation.usage_and_quotas import (
    EngineComparison,
    EngineCount,
    ReconciliationResult,
    compare_engines,
    load_recorded_tokens,
    reconcile,
)
from billing.reconciliation.usage_rows import check_row_costs
from gateway.cli.engine_counters import EngineNotCompared, fetch_engine_counts
from gateway.cli.output import Output
from gateway.cli.runner import Json, run_command, run_in_transaction
from gateway.cli.supervisor import serving_base_url
from gateway.process.integrations import create_collector
from gateway.upstream.load_balancer import Router, parse_upstreams
from infra.clock import SystemClock
from infra.database.database import Database
from infra.errors import AppError
from infra.installation import migrated_database_url
from infra.settings import Settings
from models.catalog import Model, Task, load_catalog


class CollectorNotResponding(AppError):
    """The collector cannot be reached, so its invoices cannot be compared."""

    status = 503
    code = "stripe_silent"


def reconcile_all(
    all_rows: Annotated[
        bool,
        typer.Option(help="Rate every usage row again, not only those since the last good check."),
    ] = False,
    correct: Annotated[
        bool,
        typer.Option(
            help="Append a correction for each usage row whose cost does not match its quantities."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare usage, quotas, leases, open calls, credit, bills and ledger, what the engines counted
    themselves, and Stripe's invoices; exit code 1 on any difference."""

    def execute(settings: Settings, output: Output) -> None:
        started_at = SystemClock().now()
        before = run_in_transaction(settings, load_recorded_tokens)
        texts = load_catalog(settings.profile).with_task(Task.TEXT_GENERATION)
        answers = fetch_engine_counts(_engine_urls(settings, texts))
        counts = [answer for answer in answers if isinstance(answer, EngineCount)]

        since = 0 if all_rows else run_in_transaction(settings, get_rated_until)
        corrected = _append_corrections(settings, since) if correct else 0

        async def compare(
            session: AsyncSession,
        ) -> tuple[ReconciliationResult, tuple[EngineComparison, ...]]:
            reconciled = await reconcile(session, since)
            return reconciled, await compare_engines(
                session, counts, before, adapters_by_base(texts)
            )

        reconciled, compared = run_in_transaction(settings, compare)
        collected = _compare_with_collector(settings)
        not_compared = [answer for answer in answers if isinstance(answer, EngineNotCompared)]
        figures = {
            **check_figures(reconciled),
            "usage_rows_corrected": corrected,
            "stripe_invoices": collected.invoices if collected else "not asked",
        }
        engines = [*map(_engine_row, compared), *map(_skipped_engine_row, not_compared)]
        differences = _differences(reconciled, compared, collected)

        async def store_result(session: AsyncSession) -> None:
            result = {**figures, "engines": engines}
            await store_check_run(
                session, SystemClock(), started_at, "command", result, differences
            )

        run_in_transaction(settings, store_result)
        _show_result(output, as_json, figures, engines, differences)
        if differences:
            raise typer.Exit(1)

    run_command(as_json, execute)


def _append_corrections(settings: Settings, since: int) -> int:
    """Append a correction for each usage row whose cost does not match its quantities.

    Covers all accounts (account_id). Returns the number of corrections.
    """

    async def correct_rows(session: AsyncSession) -> int:
        wrong = (await check_row_costs(session, since)).wrong
        for row in wrong:
            await write_correction(
                session, SystemClock(), row.account_id, row.request_id, row.recorded, row.expected
            )
        return len(wrong)

    return run_in_transaction(settings, correct_rows)


def adapters_by_base(texts: Sequence[Model]) -> Mapping[str, Sequence[str]]:
    """Return the ids of adapter models by the base model whose engine serves them."""
    adapters: dict[str, list[str]] = {}
    for model in texts:
        if model.base is not None:
            adapters.setdefault(model.base, []).append(model.id)
    return adapters


def _engine_urls(settings: Settings, texts: Sequence[Model]) -> Mapping[str, Sequence[str]]:
    """Return the server URLs of each text model with its own engine."""
    router = Router(parse_upstreams(serving_base_url(settings)), SystemClock())
    return {model.id: router.server_urls(model.id) for model in texts if model.base is None}


def _compare_with_collector(settings: Settings) -> CollectorComparison | None:
    """Compare invoices with the collector, None without one. Raises CollectorNotResponding."""

    async def compare(url: str) -> CollectorComparison | None:
        collector = create_collector(settings)
        if collector is None:
            return None
        database = Database(url, pool_size=1)
        try:
            return await compare_with_collector(database, collector)
        except RetryLater as error:
            raise CollectorNotResponding(
                f"{collector.info.label} does not answer: {error}"
            ) from error
        finally:
            await collector.close()
            await database.close()

    with migrated_database_url(settings) as url:
        return asyncio.run(compare(url))


def _differences(
    reconciled: ReconciliationResult,
    compared: Sequence[EngineComparison],
    collected: CollectorComparison | None,
) -> list[dict[str, Any]]:
    """Return all differences as JSON objects."""
    differences = [
        *reconciled.differences,
        *(difference for comparison in compared for difference in comparison.differences),
    ]
    differences += collected.differences if collected else ()
    return [asdict(difference) for difference in differences]


def _show_result(
    output: Output,
    as_json: bool,
    figures: Mapping[str, Any],
    engines: Sequence[Mapping[str, Any]],
    differences: Sequence[Mapping[str, Any]],
) -> None:
    """Print the figures, engine counts and differences."""
    if as_json:
        output.record("", {**figures, "engines": engines, "differences": differences})
        return
    output.record("Compared.", {**figures, "differences": len(differences)})
    for engine in engines:
        output.record("An engine's own count, in tokens:", engine)
    for difference in differences:
        output.record("These do not agree:", difference)


def _engine_row(compared: EngineComparison) -> dict[str, Any]:
    """Return an engine comparison as output fields."""
    row = asdict(compared)
    del row["differences"]  # listed with all other differences
    return row


def _skipped_engine_row(skipped: EngineNotCompared) -> dict[str, Any]:
    """Return a model that could not be compared as output fields."""
    return {"model": skipped.model, "not_asked": skipped.reason}
