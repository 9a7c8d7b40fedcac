"""`maas demo` refuses to write: next to real accounts, a running service or partial demo data."""

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


class TestDemoCommandRefusal:
    async def test_demo_next_to_real_accounts_is_refused_without_yes(
        self, maas: Maas, database: Database
    ) -> None:
        assert await maas.refuse("demo") == "real_accounts"
        assert await names(database) == ["Acme"]

    async def test_demo_is_refused_while_the_service_runs(
        self, maas: Maas, database: Database
    ) -> None:
        """This check follows the one for real accounts, which `--yes` passes."""
        async with database.transaction() as session:
            await register_process(session, ids.new_id(), socket.gethostname(), os.getpid(), 60)
        assert await maas.refuse("demo", "--yes") == "service_at_work"
        assert await names(database) == ["Acme"]

    async def test_demo_is_refused_after_partial_demo_data(
        self, maas: Maas, database: Database
    ) -> None:
        async with database.transaction() as session:
            await open_account(session, SystemClock(), MACHINING.name, "CNY", PLENTY)
        assert await maas.refuse("demo", "--yes") == "demo_incomplete"
        assert len(await names(database)) == 2
