"""Uncommitted writes of the usage writer: write-ahead rows (intents) of calls, and usage rows."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from uuid import UUID

from billing.metering.usage import UsageRecord
from billing.metering.usage_log import (
    IntentRecord,
    QuotaCharge,
    SettledCall,
    SignedDecision,
    StoredResponse,
)
from gateway.call.errors import MeteringUnavailable
from gateway.call.reservation import Reservation
from gateway.inference.usage.record import as_unbilled


@dataclass(slots=True, eq=False)
class PendingIntent:
    """A call intent that waits for its commit.

    `is_superseded` is True if the call ended first, so that its usage row suffices. `is_committed`
    is True once the intent is durable, `is_rejected` if the database rejected it; `committed` is
    done then, and exists if somebody waits for it.
    """

    build_record: Callable[[], IntentRecord]
    due_monotonic: float
    is_submitted: bool = False
    is_superseded: bool = False
    is_committed: bool = False
    is_rejected: bool = False
    committed: asyncio.Future[None] | None = None

    def end(self, error: Exception | None = None) -> None:
        """Note that the intent is durable, or was rejected with `error`; tell who waits for it."""
        self.is_committed, self.is_rejected = error is None, error is not None
        if self.committed is None or self.committed.done():
            return
        if error is None:
            self.committed.set_result(None)
        else:
            self.committed.set_exception(error)


@dataclass(slots=True, eq=False)
class InternalCallUsage:
    """The usage row of an internal call, written and charged in the commit of its parent call.

    `intent` is set for a call that generates text, which an engine counts.
    """

    record: UsageRecord
    reservation: Reservation
    intent: PendingIntent | None = None


@dataclass(slots=True, eq=False)
class PendingUsage:
    """A usage row that waits for its commit, with the reservation to settle and internal calls.

    `is_failed` is True once the caller was told that the row could not be recorded in time,
    `is_rejected` once the database rejected the row, which is then written without charges.
    `uncertain` are the charged rows, by request, of the first commit whose outcome is unknown.
    """

    record: UsageRecord
    committed: asyncio.Future[None]
    deadline_monotonic: float
    reservation: Reservation | None = None
    intent: PendingIntent | None = None
    answer: StoredResponse | None = None
    is_failed: bool = False
    internal_calls: tuple[InternalCallUsage, ...] = ()
    decisions: tuple[SignedDecision, ...] = ()
    is_rejected: bool = False
    uncertain: dict[UUID, UsageRecord] | None = None

    @property
    def reservations(self) -> list[tuple[Reservation, UsageRecord]]:
        """Return each reservation with the usage row that is charged to it."""
        if self.is_rejected:
            return []  # released already
        own_call = [] if self.reservation is None else [(self.reservation, self.record)]
        return own_call + [
            (internal_call.reservation, internal_call.record)
            for internal_call in self.internal_calls
        ]

    def settled_calls(self) -> list[SettledCall]:
        """Return the usage rows with their quota charges, as billing writes them."""
        own_call = SettledCall(
            self.record,
            _charges(self.record, self.reservation),
            _has_row(self.intent),
            self.answer,
            self.decisions,
        )
        return [
            own_call,
            *(
                SettledCall(
                    internal_call.record,
                    _charges(internal_call.record, internal_call.reservation),
                    _has_row(internal_call.intent),
                )
                for internal_call in self.internal_calls
            ),
        ]

    def fail(self) -> None:
        """Make the row unbilled and tell the caller that it was not recorded in time."""
        self.is_failed, self.decisions = True, ()
        self.answer = StoredResponse(None) if self.answer else None
        if self.record.settlement.billable:
            self.record = as_unbilled(self.record, MeteringUnavailable.code)
        for internal_call in self.internal_calls:
            if internal_call.record.settlement.billable:
                internal_call.record = as_unbilled(internal_call.record, MeteringUnavailable.code)
        if not self.committed.done():
            self.committed.set_exception(not_recorded_error())
            self.committed.exception()  # marks it as retrieved: some futures have no waiter

    def note_uncertain(self) -> None:
        """Note that the commit has an unknown outcome: the database may have the rows."""
        if self.uncertain is None:
            self.uncertain = {record.request_id: record for _, record in self.reservations}

    def restore(self, billed: Collection[UUID]) -> None:
        """Restore the rows of the `billed` calls, which failed after they had been written."""
        calls: tuple[PendingUsage | InternalCallUsage, ...] = (self, *self.internal_calls)
        for call in calls:
            if self.uncertain and call.record.request_id in billed:
                call.record = self.uncertain[call.record.request_id]

    def supersede_intents(self) -> None:
        """Leave out the intents that are not in a commit yet: the usage rows alone suffice."""
        intents = [self.intent, *(internal_call.intent for internal_call in self.internal_calls)]
        for intent in intents:
            if intent is not None and not intent.is_submitted:
                intent.is_superseded = True


def _has_row(intent: PendingIntent | None) -> bool:
    """Whether an intent has, or will have, a row that the usage row replaces."""
    return intent is not None and intent.is_submitted


def _charges(record: UsageRecord, reservation: Reservation | None) -> tuple[QuotaCharge, ...]:
    """Return the charges of a call to its money quotas and allowances."""
    hold_id = None if reservation is None else reservation.hold_id
    charges: list[QuotaCharge] = []
    if reservation is not None and record.cost_nano:
        cost, ids = record.cost_nano, reservation.charged_quota_ids
        charges = [QuotaCharge(quota_id, cost, hold_id) for quota_id in ids]
    if record.covered:
        used = record.covered_units_by_quota
        charges += [QuotaCharge(quota_id, units, hold_id) for quota_id, units in used.items()]
    return tuple(charges)


@dataclass(slots=True)
class WriteBatch:
    """The intents and usage rows of one commit."""

    intents: list[PendingIntent] = field(default_factory=list)
    usages: list[PendingUsage] = field(default_factory=list)

    def uncertain_calls(self) -> list[UUID]:
        """Return the calls that failed after a commit of unknown outcome, so may be billed."""
        return [call for usage in self.usages if usage.is_failed for call in usage.uncertain or ()]


def not_recorded_error() -> MeteringUnavailable:
    """Return the error for a call whose usage row was not committed in time."""
    return MeteringUnavailable(
        "The usage of this call could not be recorded, so the response was withheld. "
        "The call is not billed. Please try again."
    )
