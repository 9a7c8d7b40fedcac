"""The batch tables in PostgreSQL: constraints and deletion."""

import pytest
from sqlalchemy.exc import IntegrityError

from gateway.batches.input_file import InputLine
from gateway.batches.lines import insert_lines
from gateway.tables import Batch
from infra.database.database import Database
from tests.support.billing.making import customer, sql
from tests.support.gateway.batching import stored_batch


async def _stored(database: Database) -> Batch:
    """A batch of two lines of a new customer."""
    of = await customer(database)
    batch = await stored_batch(database, of.account_id, of.key_id)
    lines = [InputLine(n + 1, f"c{n}", "m", b"{}") for n in range(2)]
    async with database.transaction() as session:
        await insert_lines(session, batch, 5, lines)
    return batch


async def test_deleting_a_batch_deletes_its_lines(database: Database) -> None:
    await _stored(database)
    lines = "select position, custom_id, body from batch_line order by position"
    assert await sql(database, lines) == [(5, "c0", b"{}"), (6, "c1", b"{}")]
    await sql(database, "delete from batch")
    assert await sql(database, lines) == []


@pytest.mark.parametrize(
    "change",
    [
        "update batch set held_nano = -1",
        "update batch set failed = -1",
        "update batch_line set position = 6",
    ],
)
async def test_invalid_values_are_rejected(database: Database, change: str) -> None:
    await _stored(database)
    with pytest.raises(IntegrityError):
        await sql(database, change)
