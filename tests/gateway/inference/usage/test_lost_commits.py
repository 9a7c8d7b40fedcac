"""Usage writer: commits whose result is lost, and intents and rows that the database rejects."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from billing.metering.usage import UsageRecord
from billing.metering.usage_log import IntentRecord
from billing.rating.quantities import Quantities
from gateway.call.errors import MeteringUnavailable
from gateway.quota.demand import Demand
from infra import ids
from infra.database.database import DatabaseUnavailable
from infra.database.direct import DirectConnection
from tests.gateway.inference.usage.records import record
from tests.support.billing.making import Customer, intent, sql
from tests.support.builders import CHAT, Gateway
from tests.support.gateway.asking import until

_CREDIT_LEASES = """
    select l.quota_id::text, l.used from quota_lease l join quota q on q.id = l.quota_id
    where q.kind = 'credit'
"""


@dataclass
class LostResults:
    """The connection that records usage: a commit succeeds, its result is lost, and the database
    is away until `restored` is set."""

    connection: DirectConnection
    restored: asyncio.Event = field(default_factory=asyncio.Event)
    has_committed: bool = False

    async def statement(self, query: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        if not self.restored.is_set():
            if not self.has_committed:
                self.has_committed = True
                await DirectConnection.statement(self.connection, query, values)
            raise DatabaseUnavailable
        return await DirectConnection.statement(self.connection, query, values)


@pytest.fixture(autouse=True)
def _leases_of_resting_accounts_stay(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine an account rests between two calls of a test."""
    monkeypatch.setattr(gateway.parts.quota_leaser, "_next_shrink", float("inf"))


@pytest.fixture
def lost(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> LostResults:
    """The next commit's result is lost, and callers wait for a tenth of a second only."""
    made = LostResults(gateway.parts.connections.records)
    monkeypatch.setattr(gateway.parts.writer, "_timeout_s", 0.1)
    monkeypatch.setattr(made.connection, "statement", made.statement)
    return made


async def charged(gateway: Gateway, cost_nano: int) -> UsageRecord:
    """Record a call that costs all that it reserved."""
    parts = gateway.parts
    key = await parts.authenticator.identify(f"Bearer {gateway.key.secret}")
    demand = Demand(cost_nano, 0, 0, 0, 0, {"input_tokens": 1}, key.principal.quotas)
    _, reservation = parts.quota_leaser.try_reserve(demand) or await parts.quota_leaser.reserve(
        demand, 0.0
    )
    units = Quantities(input_tokens=cost_nano)
    row = record(gateway, cost_nano=cost_nano, quantities=units)
    await parts.writer.write(row, reservation)
    return row


async def used_units(gateway: Gateway) -> list[tuple[int, int]]:
    """Used units of the credit's lease: in the database, and as the process counts them."""
    leases = gateway.parts.quota_leaser._leases
    rows = await sql(gateway.parts.database, _CREDIT_LEASES)
    return [(used, leases.get_lease(quota_id).used) for quota_id, used in rows]


class TestLostResult:
    async def test_process_counts_what_the_lost_commit_charged(
        self, gateway: Gateway, lost: LostResults
    ) -> None:
        """Else it grants units that the database has charged, and later rows are rejected."""
        with pytest.raises(MeteringUnavailable):
            await charged(gateway, 1_000)
        lost.restored.set()
        await until(lambda: not gateway.parts.writer.is_failing)
        await charged(gateway, 20)
        assert await used_units(gateway) == [(1_020, 1_020)]

    async def test_commit_that_failed_charges_nothing(
        self, gateway: Gateway, lost: LostResults
    ) -> None:
        lost.has_committed = True
        with pytest.raises(MeteringUnavailable):
            await charged(gateway, 1_000)
        lost.restored.set()
        await until(lambda: not gateway.parts.writer.is_failing)
        await charged(gateway, 20)
        assert await used_units(gateway) == [(20, 20)]

    async def test_repeated_request_gets_the_stored_response_and_is_billed_once(
        self, gateway: Gateway, lost: LostResults
    ) -> None:
        body = {"model": CHAT, "messages": [{"role": "user", "content": "a word"}]}
        headers = {"idempotency-key": "order-1"}
        first = await gateway.http.post("/v1/chat/completions", json=body, headers=headers)
        assert (first.status_code, lost.has_committed) == (503, True)
        lost.restored.set()
        await until(lambda: not gateway.parts.writer.is_failing)
        second = await gateway.http.post("/v1/chat/completions", json=body, headers=headers)
        assert (second.status_code, second.headers["idempotent-replayed"]) == (200, "true")
        settlements = sorted(row["settlement"] for row in await gateway.rows(2))
        assert settlements == ["complete", "replayed"]


class TestIntents:
    def _intent(self, gateway: Gateway, **changes: Any) -> IntentRecord:
        owner = Customer(gateway.account.id, gateway.key.row.id, ())
        return replace(intent(owner, ids.new_id()), **changes)

    async def test_first_byte_waits_for_a_commit_that_has_begun(
        self, gateway: Gateway, lost: LostResults
    ) -> None:
        lost.has_committed = True
        writer = gateway.parts.writer
        opened = writer.open_intent(lambda: self._intent(gateway))
        await until(lambda: opened.is_submitted)
        with pytest.raises(MeteringUnavailable):
            await writer.flush_intent(opened)
        lost.restored.set()
        await until(lambda: opened.is_committed)
        await writer.flush_intent(opened)

    async def test_rejected_intent_is_never_taken_for_durable(self, gateway: Gateway) -> None:
        writer = gateway.parts.writer
        opened = writer.open_intent(lambda: self._intent(gateway, held_nano=10**30))
        for _ in range(2):
            with pytest.raises(MeteringUnavailable):
                await writer.flush_intent(opened)
        assert opened.is_rejected


class TestRejectedRow:
    async def test_row_over_the_leased_units_is_written_unbilled_and_its_units_are_released(
        self, gateway: Gateway
    ) -> None:
        await charged(gateway, 100)
        await sql(gateway.parts.database, "update quota_lease set borrowed = used")
        with pytest.raises(MeteringUnavailable):
            await charged(gateway, 50)
        settlements = sorted(row["settlement"] for row in await gateway.rows(2))
        assert settlements == ["complete", "platform_fault"]
        assert await used_units(gateway) == [(100, 100)]
