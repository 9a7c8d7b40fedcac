"""What both stand-ins keep: trades and refunds, and the payer who scans a code."""

from dataclasses import dataclass, field
from datetime import datetime

from infra.clock import Clock


@dataclass
class Refunded:
    """A refund of a trade, in fen."""

    number: str
    id: str
    minor: int
    status: str
    at: datetime


@dataclass
class Trade:
    """A trade at the stand-in; `status` is the stand-in's own word."""

    number: str
    minor: int
    expires_at: datetime
    status: str
    transaction_id: str = ""
    paid_at: datetime | None = None
    refunds: dict[str, Refunded] = field(default_factory=dict)

    @property
    def refunded(self) -> int:
        return sum(one.minor for one in self.refunds.values() if one.status != "CLOSED")


@dataclass
class Ledger:
    """The trades of one merchant, by our number, and the faults that a test wants."""

    clock: Clock
    trades: dict[str, Trade] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    # Answered instead of what was asked: an HTTP status, or the code of a rejection.
    status: int = 200
    rejection: str = ""
    is_signed: bool = True
    sequence: int = 0

    def next_id(self, prefix: str) -> str:
        """A transaction's or refund's id, unique at the stand-in."""
        self.sequence += 1
        return f"{prefix}{self.clock.now():%Y%m%d}{self.sequence:010d}"
