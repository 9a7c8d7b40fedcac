"""Owner's keys, limits, commands and a valve in memory, for tests of commands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from billing.outcomes.evidence.signatures import generate_key_pair
from gateway.plant.commands.documents import read_key
from gateway.plant.commands.values import Command, CommandLimits, PointLimits
from gateway.plant.connector.commands.targets import IsConfirmed, TargetUnreachable
from gateway.plant.identifiers.keys import Key
from infra.clock import SystemClock

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)
ACCOUNT, CONNECTOR, TAG, UNIT = "acct_1", "line-1", "P-101.SP", "bar"


class SetClock(SystemClock):
    """A clock whose time of day and monotonic time a test sets separately."""

    def __init__(self) -> None:
        self.at = NOW
        self.elapsed_s = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.elapsed_s

    def pass_s(self, seconds: float) -> None:
        """Let both clocks run."""
        self.at += timedelta(seconds=seconds)
        self.elapsed_s += seconds


def owner_keys() -> tuple[Key, Key]:
    """A private key and its public key, as `maas outcomes make-keys` makes them."""
    private, public = generate_key_pair()
    return read_key(private.decode()), read_key(public.decode())


def point(**fields: Any) -> PointLimits:
    base: dict[str, Any] = {"tag": TAG, "unit": UNIT, "minimum": 2.0, "maximum": 6.0}
    return PointLimits(**{**base, "confirm_within_s": 0.05, **fields})


def limits(*points: PointLimits, **fields: Any) -> CommandLimits:
    base: dict[str, Any] = {
        "account": ACCOUNT,
        "connector": CONNECTOR,
        "issued_at": NOW - timedelta(hours=1),
        "expires_at": NOW + timedelta(days=30),
        "points": points or (point(),),
    }
    return CommandLimits(**{**base, **fields})


def command(value: float = 4.0, name: str = "cmd_1", at: datetime = NOW, **fields: Any) -> Command:
    base: dict[str, Any] = {
        "id": name,
        "tag": TAG,
        "value": value,
        "unit": UNIT,
        "agent": "agent_1",
        "created_at": at,
        "not_after": at + timedelta(minutes=2),
    }
    return Command(**{**base, **fields})


class Valve:
    """A device in memory. answers: whether it answers; takes: whether a write has an effect."""

    def __init__(self, value: float = 4.0) -> None:
        self.value = value
        self.writes: list[float] = []
        self.answers = self.takes = True
        self.unit = UNIT

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Valve"]:
        if not self.answers:
            raise TargetUnreachable("no answer")
        yield self

    async def read(self, within_s: float) -> float | None:
        return self.value

    async def write(self, value: float) -> None:
        self.writes.append(value)
        if self.takes:
            self.value = value

    async def confirm(self, is_confirmed: IsConfirmed, within_s: float) -> float | None:
        return self.value
