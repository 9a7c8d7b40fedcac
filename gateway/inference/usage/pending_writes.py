"""Uncommitted writes of the usage writer: write-ahead rows (intents) of calls, and usage rows."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from billing.metering.usage import UsageRecord
from billing.metering.usage_log import (
    IntentRecord,
    QuotaCharge,
    SettledCall,
    SignedDecision,
    StoredResponse,
)
from gateway.call.reservation import Reservation


@dataclass(slots=True, eq=False)
class PendingIntent:
    """A call intent that waits for its commit.

    `is_superseded` is True if the call ended first, so that its usage row suffices. `committed` is
    done when the intent is durable.
    """

    build_record: Callable[[], IntentRecord]
    due_monotonic: float
    is_submitted: bool = False
    is_superseded: bool = False
    committed: asyncio.Future[None] | None = None


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

    `is_failed` is True once the caller was told that the row could not be recorded in time.
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

    @property
    def reservations(self) -> list[tuple[Reservation, UsageRecord]]:
        """Return each reservation with the usage row that is charged to it."""
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
