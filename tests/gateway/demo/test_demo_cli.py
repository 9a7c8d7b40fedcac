"""`maas demo` where it should not write: beside real firms, a running service, half a story."""

import os
import socket

from billing.accounts.account_creation import open_account
from billing.accounts.accounts import list_accounts
from billing.metering.leases import register_process
from gateway.demo.machining import MACHINING
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from tests.support.builders import PLENTY
from tests.support.gateway.commands import Maas


async def names(database: Database) -> list[str]:
    async with database.transaction() as session:
        return [one.name for one in await list_accounts(session)]


class TestRefused:
    async def test_beside_real_firms_unless_they_say_so(
        self, maas: Maas, database: Database
    ) -> None:
        assert await maas.refuse("demo") == "real_accounts"
        assert await names(database) == ["Acme"]

    async def test_while_the_service_runs(self, maas: Maas, database: Database) -> None:
        """It is asked after real firms, so `--yes` got further here."""
        async with database.transaction() as session:
            await register_process(session, ids.new_id(), socket.gethostname(), os.getpid(), 60)
        assert await maas.refuse("demo", "--yes") == "service_at_work"
        assert await names(database) == ["Acme"]

    async def test_after_half_a_story(self, maas: Maas, database: Database) -> None:
        async with database.transaction() as session:
            await open_account(session, SystemClock(), MACHINING.name, "CNY", PLENTY)
        assert await maas.refuse("demo", "--yes") == "demo_incomplete"
        assert len(await names(database)) == 2
