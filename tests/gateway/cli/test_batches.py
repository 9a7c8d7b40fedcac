"""`maas batches`: an account's batches, one of them, and its cancellation."""

from typing import Any

import pytest

from gateway.batches.views import batch_name
from gateway.tables import BatchStatus
from tests.support.billing.making import make_key, sql
from tests.support.gateway.batching import stored_batch
from tests.support.gateway.commands import Maas


async def _batch(maas: Maas, **values: Any) -> str:
    database, account_id = maas.firm.story.database, maas.firm.account.id
    key_id = await make_key(database, account_id)
    return batch_name(await stored_batch(database, account_id, key_id, **values))


async def test_batches_are_listed_newest_first_with_progress(maas: Maas) -> None:
    older = await _batch(maas, completed=3, failed=1, spent_nano=5)
    newer = await _batch(maas)
    listed = await maas.say("batches", "list", "Acme")
    assert [row["id"] for row in listed] == [newer, older]
    assert listed[1]["request_counts"] == {"total": 10, "completed": 3, "failed": 1}
    assert "4 of 10" in await maas.tell("batches", "list", "Acme")


async def test_batch_is_shown_with_its_problems(maas: Maas) -> None:
    error = {"code": "invalid_url", "line": 7, "message": "`url` must be x.", "param": "url"}
    name = await _batch(maas, status=BatchStatus.FAILED, errors=[error])
    shown = await maas.say("batches", "show", "Acme", name)
    assert (shown["status"], shown["errors"]["data"]) == ("failed", [error])
    assert "invalid_url" in await maas.tell("batches", "show", "Acme", name)


async def test_cancelled_batch_is_logged_and_another_is_refused(maas: Maas) -> None:
    name = await _batch(maas)
    assert (await maas.say("batches", "cancel", "Acme", name))["status"] == "cancelling"
    logged = "select subject from audit_entry where action = 'batch.canceled'"
    assert await sql(maas.firm.story.database, logged) == [(name,)]
    ended = await _batch(maas, status=BatchStatus.COMPLETED)
    assert await maas.refuse("batches", "cancel", "Acme", ended) == "batch_over"


@pytest.mark.parametrize("name", ["batch_" + "0" * 32, "x"])
async def test_unknown_batch_is_refused(maas: Maas, name: str) -> None:
    assert await maas.refuse("batches", "show", "Acme", name) == "batch_not_found"
