"""Background runner of plant alignment: proposes mappings of new points, and starts trainings.

    claim an account -> ask the model version in use about points, batch by batch -> release
    enough confirmations -> training file -> the schedule of trainings is due

Each version of the model is asked about a point once. When another version is in use, also after a
rollback, all open points are proposed anew.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.authenticator import Authenticator
from gateway.alignment.batches import (
    BATCH_SIZE,
    AlignmentCallFailed,
    AlignmentCalls,
    Facts,
    empty_proposal,
    is_alignable,
    make_proposals,
)
from gateway.alignment.facts import load_facts
from gateway.alignment.settings import QUEUE, add_spending, lock_claimed, spent_this_month
from gateway.alignment.training import start_training
from gateway.call.values import Principal, SignedInCaller
from gateway.evaluations.turn import deadline
from gateway.identity.audit_log import CLI_ACTOR
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.store.editing import Editing
from gateway.plant.store.proposals import (
    Proposal,
    delete_settled_proposals,
    list_to_propose,
    store_proposals,
)
from gateway.plant.store.revisions import read_revision
from gateway.quota.process_heartbeat import ProcessHeartbeat
from gateway.registry.variants import pinned_id, public_id
from gateway.retraining.runner import RetrainingRunner
from gateway.tables import PlantAlignment, PlantPoint
from infra.claim_poller import ClaimPoller
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.telemetry.own_model_metrics import OwnModelMetrics
from infra.timing import DEFAULT_TIMING, Timing
from models.catalog import Meter

# After this time another account gets a turn.
_MAX_TURN_S = 20.0
# Delay until points and versions of an account are looked at again.
_IDLE = timedelta(seconds=15)
# Delay after an error that a person has to end, such as an exhausted budget.
_BLOCKED = timedelta(minutes=5)
BUDGET_EXHAUSTED = "alignment_budget_exhausted"
_NO_LIMITS = PlantLimits(0, 0)


class AlignmentBudgetExhausted(AppError):
    """The proposals of this month have cost as much as they may."""

    status = 402
    type = "insufficient_quota"
    code = BUDGET_EXHAUSTED


@dataclass(frozen=True, slots=True)
class AlignmentDependencies:
    """The parts of a gateway process that the runner uses."""

    clock: Clock
    database: Database
    heartbeat: ProcessHeartbeat
    authenticator: Authenticator
    calls: AlignmentCalls
    retraining: RetrainingRunner
    metrics: OwnModelMetrics
    timing: Timing = DEFAULT_TIMING


@dataclass(frozen=True, slots=True)
class _Version:
    """The model version that a turn asks, and who pays at which price of a point."""

    model: str
    caller: SignedInCaller
    price_nano: int


class AlignmentRunner(ClaimPoller[PlantAlignment]):
    """Polls for accounts whose points are to be proposed, in a gateway process."""

    def __init__(self, dependencies: AlignmentDependencies) -> None:
        deps = self._deps = dependencies
        super().__init__("alignment", QUEUE, deps.database, deps.heartbeat, deps.clock, deps.timing)

    async def _claim(self, session: AsyncSession, process_id: UUID) -> PlantAlignment | None:
        """Claim the settings whose turn is next; None if none is due."""
        return await QUEUE.claim(session, self._deps.clock.now(), process_id)

    async def _interrupted(self, row: PlantAlignment) -> None:
        """Release an account, because the process stops."""
        await self._release(row, timedelta(0))

    async def _failed(self, row: PlantAlignment, error: Exception) -> None:
        """Try again later, and record why the account waits."""
        if not isinstance(error, AppError):
            self._log.exception("an alignment turn failed", account=str(row.account_id))
            return await self._release(row, _BLOCKED, "internal_error", "Something went wrong.")
        self._deps.metrics.alignment_waits.labels(error.code or "internal_error").inc()
        after = timedelta(seconds=getattr(error, "retry_after_s", 0.0))
        is_passing = error.status >= 500 or error.status == 429
        delay = max(after, _IDLE if is_passing else _BLOCKED)
        await self._release(row, delay, error.code or "internal_error", error.message)

    async def _work(self, row: PlantAlignment) -> None:
        """Take an account's turn: propose, then start a training if enough is confirmed."""
        await self._start_training(row)
        asked = await self._find_asked(row)
        async with self._deps.database.transaction() as session:
            revision = await read_revision(session, row.account_id)
        if (row.seen_revision, row.seen_model) == (revision, asked.model):
            return await self._release(row, _IDLE)
        seen = await self._propose_until_deadline(row, asked)
        if seen is None:
            return await self._release(row, timedelta(0))
        async with self._deps.database.transaction() as session:
            await delete_settled_proposals(session, row.account_id)
            found = await lock_claimed(session, row, self._process_id)
            if found is not None:
                found.seen_revision, found.seen_model = seen, asked.model
        await self._release(row, _IDLE)

    async def _start_training(self, row: PlantAlignment) -> None:
        """Make a training due if enough is confirmed."""
        deps = self._deps
        async with deps.database.transaction() as session:
            found = await lock_claimed(session, row, self._process_id)
            is_due = found is not None and await start_training(session, deps.clock, found)
        if is_due:
            deps.retraining.wake()

    async def _find_asked(self, row: PlantAlignment) -> _Version:
        """Return which version is asked at which price.

        Raises the errors of a key that may not call, and AlignmentCallFailed without a price.
        """
        deps = self._deps
        caller = SignedInCaller(row.account_id, row.key_id)
        key = await deps.authenticator.identify_key(caller, deps.clock.now())
        deps.authenticator.require_not_suspended(key)
        principal = deps.authenticator.require_active(key)
        prices = principal.model_prices.get(row.model)
        price = None if prices is None else prices.prices.get(Meter.ROWS)
        if price is None:
            message = f"The model {row.model!r} has no price for this account."
            raise AlignmentCallFailed(403, "model_not_priced", message, 0.0)
        return _Version(version_in_use(row, principal), caller, price)

    async def _propose_until_deadline(self, row: PlantAlignment, asked: _Version) -> int | None:
        """Propose batches; return the revision after which nothing is left, None if some is.

        Raises AlignmentBudgetExhausted, AlignmentCallFailed.
        """
        deps, is_over = self._deps, deadline(self._deps.clock, _MAX_TURN_S)
        facts: Facts | None = None
        cursor: UUID | None = None
        while not is_over():
            async with deps.database.transaction() as session:
                revision = await read_revision(session, row.account_id)
                points = await list_to_propose(
                    session, row.account_id, asked.model, BATCH_SIZE, cursor
                )
            if not points and cursor is None:
                return revision
            if not points:
                cursor = None
                continue
            facts = facts or await load_facts(deps.database, row.account_id)
            points = points[: self._affordable(row, asked)]
            row = await self._propose(row, asked, points, facts)
            cursor = points[-1].id
        return None

    def _affordable(self, row: PlantAlignment, asked: _Version) -> int:
        """Return how many points this month's budget pays for. Raises AlignmentBudgetExhausted."""
        left = row.budget_nano - spent_this_month(row, self._deps.clock)
        count = BATCH_SIZE if asked.price_nano == 0 else left // asked.price_nano
        if count < 1:
            raise AlignmentBudgetExhausted("This month's budget for proposals is used up.")
        return count

    async def _propose(
        self, row: PlantAlignment, asked: _Version, points: list[PlantPoint], facts: Facts
    ) -> PlantAlignment:
        """Ask the model about points and store its proposals; returns the current settings."""
        deps = self._deps
        usable = [point for point in points if is_alignable(point)]
        proposals = [empty_proposal(point) for point in points if not is_alignable(point)]
        cost_nano = 0
        if usable:
            answer = await deps.calls.ask(asked.caller, asked.model, usable, asked.model)
            cost_nano = answer.cost_nano
            made = await asyncio.to_thread(make_proposals, usable, answer.entries, facts)
            proposals += made
        async with deps.database.transaction() as session:
            found = await lock_claimed(session, row, self._process_id)
            if found is None:
                raise AlignmentCallFailed(409, "plant_alignment_lost", "The settings changed.", 0.0)
            editing = Editing(session, deps.clock, CLI_ACTOR, row.account_id, _NO_LIMITS)
            await store_proposals(editing, proposals, asked.model)
            add_spending(found, deps.clock, cost_nano)
            found.code = found.message = None
        self._count(proposals)
        return found

    def _count(self, proposals: list[Proposal]) -> None:
        """Count points by what the model proposed."""
        with_concept = sum(one.concept is not None for one in proposals)
        metric = self._deps.metrics.aligned_points
        metric.labels("proposed").inc(with_concept)
        metric.labels("none").inc(len(proposals) - with_concept)

    async def _release(
        self,
        row: PlantAlignment,
        delay: timedelta,
        code: str | None = None,
        message: str | None = None,
    ) -> None:
        """End the turn of an account; `code` and `message` say why it waits."""
        async with self._deps.database.transaction() as session:
            found = await lock_claimed(session, row, self._process_id)
            if found is None:
                return
            found.process_id, found.attempts = None, 0
            found.retry_at = self._deps.clock.now() + delay if delay else None
            if code is not None or delay == _IDLE:
                found.code, found.message = code, message

    @property
    def _process_id(self) -> UUID:
        """The id under which this process claims accounts."""
        return self._deps.heartbeat.process_id


def version_in_use(row: PlantAlignment, principal: Principal) -> str:
    """Return the id of the account's own version in use, or of the base model without one."""
    name = public_id(row.model, row.account_id, row.name)
    return version_of(name, principal) if name in principal.variants else row.model


def version_of(model: str, principal: Principal) -> str:
    """Return the id of the version that answers calls to a model; other models have none."""
    variant = principal.variants.get(model)
    return model if variant is None else pinned_id(model, variant.current_version)
