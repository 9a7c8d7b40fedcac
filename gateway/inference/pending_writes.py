"""Entries: what waits to be written for a call, at its beginning and at its end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from billing.metering.usage import UsageRecord
from billing.metering.usage_log import Answer, Charge, IntentRecord, Settled
from gateway.call.reservation import Hold


@dataclass(slots=True, eq=False)
class Opened:
    """An intent on its way; `durable` is done when it is in the database."""

    intent: Callable[[], IntentRecord]
    due: float
    written: bool = False
    needless: bool = False
    durable: asyncio.Future[None] | None = None


@dataclass(slots=True, eq=False)
class Inner:
    """The row of a call that was made for another one: written and charged in its commit."""

    record: UsageRecord
    hold: Hold


@dataclass(slots=True, eq=False)
class Ending:
    """A usage row on its way, what is to be closed with it, and the rows of its inner calls."""

    record: UsageRecord
    durable: asyncio.Future[None]
    until: float
    hold: Hold | None = None
    opened: Opened | None = None
    answer: Answer | None = None
    given_up: bool = False
    inner: tuple[Inner, ...] = ()

    @property
    def holds(self) -> list[tuple[Hold, UsageRecord]]:
        """Each hold with the row that is charged to it."""
        own = [] if self.hold is None else [(self.hold, self.record)]
        return own + [(one.hold, one.record) for one in self.inner]

    def settled(self) -> list[Settled]:
        """The same as billing writes it: who pays, and whether an intent is to be closed."""
        opened = self.opened is not None and self.opened.written
        own = Settled(self.record, _charges(self.record, self.hold), opened, self.answer)
        return [own, *(Settled(one.record, _charges(one.record, one.hold)) for one in self.inner)]


def _charges(record: UsageRecord, hold: Hold | None) -> tuple[Charge, ...]:
    charges: tuple[Charge, ...] = ()
    if hold is not None and record.cost_nano:
        charges = tuple(Charge(quota, record.cost_nano) for quota in hold.payers)
    return charges + tuple(Charge(*taken) for taken in record.taken.items())


@dataclass(slots=True)
class Group:
    """What one commit writes."""

    opens: list[Opened] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
