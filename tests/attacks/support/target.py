"""The service under attack: embedded PostgreSQL, the fake model server and one gateway process.

The gateway is a real process, started as an operator starts it, so that its memory can be measured
and its log read.
"""

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from billing.accounts.account_creation import AccountLimits
from billing.tables import Account
from gateway.access.api_keys import IssuedKey
from infra.database.database import Database
from infra.database.embedded_postgres import start_postgres
from infra.database.migrate import migrate
from infra.settings import Settings
from tests.support import builders
from tests.support.fakes.upstream import FakeUpstream, run_fake_upstream
from tests.support.fleet import run_fleet


@dataclass(frozen=True)
class Target:
    """A gateway process, an account with a key, and queries on both."""

    url: str
    pid: int
    account: Account
    key: IssuedKey
    database: Database
    settings: Settings
    upstream: FakeUpstream

    @property
    def headers(self) -> dict[str, str]:
        """Headers with the account's key."""
        return {"authorization": f"Bearer {self.key.secret}"}

    def memory_mib(self) -> float:
        """Resident memory of the gateway process."""
        return float(psutil.Process(self.pid).memory_info().rss) / (1 << 20)


@asynccontextmanager
async def run_target(
    terms: AccountLimits = builders.PLENTY, **values: Any
) -> AsyncIterator[Target]:
    """Run the target until the block ends; `values` are settings of the gateway."""
    os.environ.setdefault("NO_PROXY", "127.0.0.1")
    with tempfile.TemporaryDirectory(prefix="maas-attack-") as folder:
        server = start_postgres(Path(folder) / "postgres")
        database = Database(server.url, pool_size=2)
        try:
            migrate(server.url)
            async with run_fake_upstream() as upstream:
                configured = builders.settings(server.url, Path(folder), upstream.url, **values)
                account, key = await builders.customer(database, configured, terms=terms)
                async with run_fleet(configured, 1) as fleet:
                    member = fleet.members[0]
                    pid = member.child.pid
                    yield Target(member.url, pid, account, key, database, configured, upstream)
        finally:
            await database.close()
            server.stop()
