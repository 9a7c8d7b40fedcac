"""Reconcile now: compare usage, billing, engine counts, collector and payment providers.

The CLI and the Admin API call it; each result is stored in the history of checks.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from billing.collection.collector import Collector
from billing.collection.payments.checkout import Checkout, PaymentProviderUnavailable
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
from gateway.operations.engine_counters import EngineNotCompared, fetch_engine_counts
from gateway.upstream.load_balancer import Router
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from models.catalog import Catalog, Model, Task


class CollectorNotResponding(AppError):
    """The collector cannot be reached, so its invoices cannot be compared."""

    status = 503
    code = "stripe_silent"


@dataclass(frozen=True, slots=True)
class ReconciliationOptions:
    """`all_rows`: check also calls found correct before. `correct`: append corrections."""

    all_rows: bool = False
    correct: bool = False


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Compares all records. `router` knows the servers of text models with their own engine."""

    database: Database
    clock: Clock
    catalog: Catalog
    router: Router
    collector: Collector | None
    checkout: Checkout

    async def run(self, options: ReconciliationOptions) -> dict[str, Any]:
        """Run all checks, store and return the result; `differences` is empty if all agree.

        Raises CollectorNotResponding, PaymentProviderUnavailable.
        """
        started_at = self.clock.now()
        async with self.database.transaction() as session:
            before = await load_recorded_tokens(session)
            since = 0 if options.all_rows else await get_rated_until(session)
        text_models = self.catalog.run_by_own_servers().with_task(Task.TEXT_GENERATION)
        answers = await asyncio.to_thread(fetch_engine_counts, self._engine_urls(text_models))
        counts = [answer for answer in answers if isinstance(answer, EngineCount)]
        corrected = await self._append_corrections(since) if options.correct else 0
        async with self.database.transaction() as session:
            reconciled = await reconcile(session, since)
            adapters = adapters_by_base(text_models)
            compared = await compare_engines(session, counts, before, adapters)
        collected, paid = await self._compare_with_collector(), await self._compare_with_providers()
        figures = {
            **check_figures(reconciled),
            "usage_rows_corrected": corrected,
            "stripe_invoices": collected.invoices if collected else "not asked",
            "payment_orders": paid.orders if paid else "not asked",
        }
        skipped = [answer for answer in answers if isinstance(answer, EngineNotCompared)]
        engines = [*map(_engine_row, compared), *map(_skipped_engine_row, skipped)]
        differences = _differences(reconciled, compared, collected, paid)
        async with self.database.transaction() as session:
            result = {**figures, "engines": engines}
            place = (session, self.clock, started_at, "command")
            await store_check_run(*place, result, differences)
        return {**figures, "engines": engines, "differences": differences}

    async def _append_corrections(self, since: int) -> int:
        """Append a correction for each usage row whose cost does not match its quantities.

        Covers all accounts (account_id). Returns the number of corrections.
        """
        async with self.database.transaction() as session:
            wrong = (await check_row_costs(session, since)).wrong
            for row in wrong:
                place = (session, self.clock, row.account_id, row.request_id)
                await write_correction(*place, row.recorded, row.expected)
        return len(wrong)

    def _engine_urls(self, text_models: Sequence[Model]) -> Mapping[str, Sequence[str]]:
        """Return the server URLs of each text model with its own engine."""
        own = [model.id for model in text_models if model.base is None]
        return {model: self.router.server_urls(model) for model in own}

    async def _compare_with_collector(self) -> CollectorComparison | None:
        """Compare invoices with the collector, None without one. Raises CollectorNotResponding."""
        if self.collector is None:
            return None
        try:
            return await compare_with_collector(self.database, self.collector)
        except RetryLater as error:
            raise CollectorNotResponding(
                f"{self.collector.info.label} does not respond, so its invoices were not compared: "
                f"{error}. Run `maas reconcile` again later."
            ) from error

    async def _compare_with_providers(self) -> ProviderComparison | None:
        """Compare payment orders with their providers, None without one.

        Raises PaymentProviderUnavailable.
        """
        if not self.checkout.providers.names:
            return None
        try:
            return await compare_with_providers(self.database, self.clock.now(), self.checkout)
        except RetryLater as error:
            raise PaymentProviderUnavailable(
                f"Payment orders were not compared: {error} Run `maas reconcile` again later."
            ) from error


def adapters_by_base(text_models: Sequence[Model]) -> Mapping[str, Sequence[str]]:
    """Return the ids of the LoRA adapter models, by the id of the base model that serves them."""
    adapters: dict[str, list[str]] = {}
    for model in text_models:
        if model.base is not None:
            adapters.setdefault(model.base, []).append(model.id)
    return adapters


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


def _engine_row(compared: EngineComparison) -> dict[str, Any]:
    """Return the comparison of a model's recorded tokens with its engine's as output fields."""
    row = asdict(compared)
    del row["differences"]  # listed with all other differences
    return row


def _skipped_engine_row(skipped: EngineNotCompared) -> dict[str, Any]:
    """Return a model that could not be compared as output fields."""
    return {"model": skipped.model, "not_asked": skipped.reason}
