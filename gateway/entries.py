"""Entries: what waits to be written for a call, at its beginning and at its end.

Owns the two values and a group of them. Does not own when they are written
(gateway/metering.py).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from billing.metering.recording import Answer, Charge, IntentRecord, Settled
from billing.metering.usage import UsageRecord
from gateway.holds import Hold


@dataclass(slots=True, eq=False)
class Opened:
    """An intent on its way; `durable` is done when it is in the database."""

    intent: Callable[[], IntentRecord]
    due: float
    written: bool = False
    needless: bool = False
    durable: asyncio.Future[None] | None = None


@dataclass(slots=True, eq=False)
class Ending:
    """A usage row on its way, and what is to be closed with it."""

    record: UsageRecord
    durable: asyncio.Future[None]
    until: float
    hold: Hold | None = None
    opened: Opened | None = None
    answer: Answer | None = None
    given_up: bool = False

    def settled(self) -> Settled:
        """The same as billing writes it: who pays, and whether an intent is to be closed."""
        charges: tuple[Charge, ...] = ()
        if self.hold is not None and self.record.cost_nano:
            charges = tuple(Charge(quota, self.record.cost_nano) for quota in self.hold.payers)
        if self.record.covered is not None:
            charges += tuple(Charge(*taken) for taken in self.record.taken.items())
        opened = self.opened is not None and self.opened.written
        return Settled(self.record, charges, opened, self.answer)


@dataclass(slots=True)
class Group:
    """What one commit writes."""

    opens: list[Opened] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
