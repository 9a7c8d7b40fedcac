"""Changes with an admin key and an Idempotency-Key: once, together with their response."""

import asyncio
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.admin_keys import NewAdminKey, create_admin_key
from gateway.access.admin_scopes import AdminScope
from gateway.call.errors import IdempotencyKeyReused
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.admin_changes import AdminChange, run_admin_change
from gateway.operations.idempotent import IdempotentResult
from infra.clock import SystemClock
from infra.database.database import Database
from infra.secrets.sealer import Sealer
from tests.support.billing.making import sql

PEPPER, SECRET = b"p" * 32, "maas_secret"
SEALER, CLOCK = Sealer(PEPPER), SystemClock()


class Interrupted(Exception):
    """The process ended before the transaction was committed."""


async def request(database: Database, key: str | None = "k", body: bytes = b"{}") -> AdminChange:
    new = NewAdminKey("erp", (AdminScope.KEYS_WRITE,))
    async with database.transaction() as session:
        issued = await create_admin_key(session, CLOCK, PEPPER, CLI_ACTOR, None, new)
    return AdminChange(issued.row.id, "POST /v1/admin/x", body, key)


class Counter:
    """A change that counts how often it was made."""

    def __init__(self, *, fails: bool = False) -> None:
        self.count, self.fails = 0, fails

    async def __call__(self, session: AsyncSession) -> dict[str, Any]:
        self.count += 1
        if self.fails:
            raise Interrupted
        return {"secret": f"{SECRET}{self.count}"}


async def run(database: Database, asked: AdminChange, change: Counter) -> IdempotentResult:
    async with database.transaction() as session:
        return await run_admin_change(session, SEALER, asked, change)


async def test_concurrent_duplicates_get_the_response_of_the_one_change(
    working: Database,
) -> None:
    asked, change = await request(working), Counter()
    results = await asyncio.gather(*(run(working, asked, change) for _ in range(5)))
    assert change.count == 1
    assert {result.response for result in results} == {b'{"secret":"maas_secret1"}'}
    assert sorted(result.is_replayed for result in results) == [False, True, True, True, True]


async def test_change_that_was_interrupted_is_made_by_the_repetition(database: Database) -> None:
    asked = await request(database)
    with pytest.raises(Interrupted):
        await run(database, asked, Counter(fails=True))
    assert await sql(database, "select count(*) from admin_answer") == [(0,)]
    assert not (await run(database, asked, Counter())).is_replayed


async def test_stored_response_is_encrypted_and_expires(database: Database) -> None:
    asked, change = await request(database), Counter()
    await run(database, asked, change)
    ((body,),) = await sql(database, "select body from admin_answer")
    assert SECRET.encode() not in bytes(body)
    other = AdminChange(asked.admin_key_id, asked.operation, b'{"a":1}', asked.key)
    with pytest.raises(IdempotencyKeyReused):
        await run(database, other, change)
    await sql(database, "update admin_answer set expires_at = now() - interval '1 second'")
    assert not (await run(database, other, change)).is_replayed
    assert change.count == 2


async def test_without_a_key_each_request_is_a_change(database: Database) -> None:
    asked, change = await request(database, key=None), Counter()
    await run(database, asked, change)
    await run(database, asked, change)
    assert change.count == 2
