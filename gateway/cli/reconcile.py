"""`maas reconcile`: compare all records of what was consumed and billed, the engines' own, and
Stripe's.

Owns the order of asking, and how the findings are shown; they are kept for the dashboard too.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.corrections import correct as write_correction
from billing.outbox import TryLater
from billing.reconciliation.history import keep_run, rated_until
from billing.reconciliation.job import figures_of
from billing.reconciliation.stripe import StripeCompared, compare_with_stripe
from billing.reconciliation.usage_and_quotas import (
    EngineCompared,
    EngineCount,
    Reconciled,
    compare_engines,
    reconcile,
    recorded_tokens,
)
from billing.reconciliation.usage_rows import rate_rows
from gateway.cli.engine_counters import NotAsked, ask_engines
from gateway.cli.output import Terminal
from gateway.cli.runner import Json, tell, with_database
from gateway.cli.supervisor import serving_base
from gateway.process.integrations import payments_of
from gateway.upstream.load_balancer import Router, parse_upstreams
from infra.clock import SystemClock
from infra.database.database import Database
from infra.errors import AppError
from infra.installation import database_url
from infra.settings import Settings
from models.catalog import Model, Task, load_catalog


class StripeSilent(AppError):
    """Stripe cannot be asked just now, so nothing can be said of its invoices."""

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

    def work(settings: Settings, terminal: Terminal) -> None:
        began_at = SystemClock().now()
        before = with_database(settings, recorded_tokens)
        texts = load_catalog(settings.profile).with_task(Task.TEXT_GENERATION)
        asked = ask_engines(_servers(settings, texts))
        counts = [one for one in asked if isinstance(one, EngineCount)]

        since = 0 if all_rows else with_database(settings, rated_until)
        corrected = _correct(settings, since) if correct else 0

        async def compare(session: AsyncSession) -> tuple[Reconciled, tuple[EngineCompared, ...]]:
            whole = await reconcile(session, since)
            return whole, await compare_engines(session, counts, before, adapters_of(texts))

        found, compared = with_database(settings, compare)
        stripe = _stripe(settings)
        not_asked = [one for one in asked if isinstance(one, NotAsked)]
        figures = {
            **figures_of(found),
            "usage_rows_corrected": corrected,
            "stripe_invoices": stripe.invoices if stripe else "not asked",
        }
        engines = [*map(_engine, compared), *map(_engine_not_asked, not_asked)]
        told = _differences(found, compared, stripe)

        async def keep(session: AsyncSession) -> None:
            said = {**figures, "engines": engines}
            await keep_run(session, SystemClock(), began_at, "command", said, told)

        with_database(settings, keep)
        _show(terminal, as_json, figures, engines, told)
        if told:
            raise typer.Exit(1)

    tell(as_json, work)


def _correct(settings: Settings, since: int) -> int:
    """Append a correction for each row that says another cost than its quantities come to; gives
    how many. For operators: of all accounts (account_id)."""

    async def write(session: AsyncSession) -> int:
        wrong = (await rate_rows(session, since)).wrong
        for one in wrong:
            place = (one.account_id, one.request_id)
            await write_correction(session, SystemClock(), *place, one.recorded, one.expected)
        return len(wrong)

    return with_database(settings, write)


def adapters_of(texts: Sequence[Model]) -> Mapping[str, Sequence[str]]:
    """The models that answer on another's engine, by that one."""
    found: dict[str, list[str]] = {}
    for model in texts:
        if model.base is not None:
            found.setdefault(model.base, []).append(model.id)
    return found


def _servers(settings: Settings, texts: Sequence[Model]) -> Mapping[str, Sequence[str]]:
    router = Router(parse_upstreams(serving_base(settings)), SystemClock())
    return {model.id: router.servers(model.id) for model in texts if model.base is None}


def _stripe(settings: Settings) -> StripeCompared | None:
    """What Stripe says, where a key is set."""

    async def ask(url: str) -> StripeCompared | None:
        payments = payments_of(settings)
        if payments is None:
            return None
        database = Database(url, pool_size=1)
        try:
            return await compare_with_stripe(database, payments)
        except TryLater as error:
            raise StripeSilent(f"Stripe does not answer: {error}") from error
        finally:
            await payments.close()
            await database.close()

    with database_url(settings) as url:
        return asyncio.run(ask(url))


def _differences(
    found: Reconciled, compared: Sequence[EngineCompared], stripe: StripeCompared | None
) -> list[dict[str, Any]]:
    differences = [*found.differences, *(one for each in compared for one in each.differences)]
    differences += stripe.differences if stripe else ()
    return [asdict(difference) for difference in differences]


def _show(
    terminal: Terminal,
    as_json: bool,
    figures: Mapping[str, Any],
    engines: Sequence[Mapping[str, Any]],
    told: Sequence[Mapping[str, Any]],
) -> None:
    if as_json:
        terminal.record("", {**figures, "engines": engines, "differences": told})
        return
    terminal.record("Compared.", {**figures, "differences": len(told)})
    for engine in engines:
        terminal.record("An engine's own count, in tokens:", engine)
    for difference in told:
        terminal.record("These do not agree:", difference)


def _engine(compared: EngineCompared) -> dict[str, Any]:
    shown = asdict(compared)
    del shown["differences"]  # told with all others
    return shown


def _engine_not_asked(one: NotAsked) -> dict[str, Any]:
    return {"model": one.model, "not_asked": one.reason}
