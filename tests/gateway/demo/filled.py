"""The demo after its command filled it."""

from dataclasses import dataclass
from typing import Any

from billing.accounts.accounts import get_account
from billing.tables import Account
from infra.database.database import Database
from infra.settings import Settings
from tests.support.gateway.commands import Maas


@dataclass(frozen=True)
class Filled:
    """What the command said, the command to say more, and the database that it wrote to."""

    said: Any
    maas: Maas
    database: Database
    settings: Settings

    async def account(self, place: int) -> Account:
        """One of the three."""
        async with self.database.transaction() as session:
            return await get_account(session, self.said["firms"][place]["id"])
