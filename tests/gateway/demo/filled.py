"""The demo data after `maas demo` has created it."""

from dataclasses import dataclass
from typing import Any

from billing.accounts.accounts import get_account
from billing.tables import Account
from infra.database.database import Database
from infra.settings import Settings
from tests.support.clocks import ShiftedClock
from tests.support.gateway.commands import Maas

# On the first days of a month, the month has no calls yet.
CLOCK = ShiftedClock()
CLOCK.to_late_in_month()


@dataclass(frozen=True)
class Filled:
    """Output of `maas demo`, the command for more calls, and its database and settings."""

    said: Any
    maas: Maas
    database: Database
    settings: Settings

    async def account(self, place: int) -> Account:
        """The account of one of the three demo firms."""
        async with self.database.transaction() as session:
            return await get_account(session, self.said["firms"][place]["id"])
