"""Propagation between two gateways on one database: both serve a change once one reports it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from billing.metering.key_epoch import advance_epoch, read_epoch
from billing.tables import GatewayProcess
from gateway.access.api_keys import create_key
from gateway.access.propagation import Propagation
from infra.clock import SystemClock
from infra.secrets.secret_key import secret_key
from infra.timing import DEFAULT_TIMING, Timing
from tests.support import builders
from tests.support.builders import Gateway, parts_like, serve
from tests.support.gateway.customers import Customer
from tests.support.nightly import at_length, nightly

JOBS, CALLS_EACH = at_length(10, 3), at_length(60, 20)
DELETED, KEYS = at_length(5, 2), at_length(20, 5)


@pytest.fixture
def timing() -> Timing:
    """The default timing: processes see a change after the usual delay."""
    return builders.TIMING


@pytest.fixture
async def pair(gateway: Gateway) -> AsyncIterator[tuple[httpx.AsyncClient, ...]]:
    """One client for each of two gateways, with the same API key."""
    async with AsyncExitStack() as stack:
        urls = gateway.url, await stack.enter_async_context(serve(parts_like(gateway)))
        headers = {"authorization": f"Bearer {gateway.key.secret}"}
        clients = [httpx.AsyncClient(base_url=url, headers=headers, timeout=60) for url in urls]
        yield tuple([await stack.enter_async_context(one) for one in clients])


async def statuses(clients: Sequence[httpx.AsyncClient], model: str, calls: int) -> list[int]:
    """Status codes of that many calls of a model, alternating between the gateways."""
    body = {"model": model, "instances": [{"T24": [1.0, 2.0]}]}
    asked = [clients[n % len(clients)].post("/v1/predictions", json=body) for n in range(calls)]
    return [answer.status_code for answer in await asyncio.gather(*asked)]


async def remembered(customer: Customer, clients: Sequence[httpx.AsyncClient]) -> None:
    """Make both gateways cache the API key, as busy gateways do."""
    assert set(await statuses(clients, customer.model, 2 * len(clients))) == {200}


async def succeeded(customer: Customer, job_id: str) -> Any:
    """Poll the job until it has ended and return it."""
    async with asyncio.timeout(60):
        while True:
            job = await customer.openai.fine_tuning.jobs.retrieve(job_id)
            if job.status not in ("queued", "running"):
                return job
            await asyncio.sleep(0.005)


class TestPropagationToTwoGateways:
    async def test_model_of_a_succeeded_job_is_served_by_both_gateways(
        self, customer: Customer, pair: tuple[httpx.AsyncClient, ...]
    ) -> None:
        found: list[int] = []
        for number in range(JOBS):
            await remembered(customer, pair)
            job = await succeeded(customer, (await customer.asks(suffix=f"line-{number}")).id)
            assert job.status == "succeeded"
            found += await statuses(pair, job.fine_tuned_model, CALLS_EACH)
        assert len(found) == JOBS * CALLS_EACH
        assert found.count(404) == 0
        assert set(found) == {200}

    async def test_deleted_model_is_served_by_neither_gateway(
        self, customer: Customer, pair: tuple[httpx.AsyncClient, ...]
    ) -> None:
        found: list[int] = []
        for number in range(DELETED):
            name = (await customer.adapts(suffix=f"line-{number}")).fine_tuned_model
            assert set(await statuses(pair, name, 4)) == {200}
            assert (await pair[0].delete(f"/v1/models/{name}")).status_code == 200
            found += await statuses(pair, name, 20)
        assert set(found) == {404}

    @nightly
    async def test_chosen_version_is_current_on_both_gateways(
        self, customer: Customer, pair: tuple[httpx.AsyncClient, ...]
    ) -> None:
        for _ in range(2):
            name = (await customer.adapts()).fine_tuned_model
        for number in (1, 2, 1, 2):
            await remembered(customer, pair)
            chosen = await pair[0].put(f"/v1/models/{name}/current", json={"version": number})
            assert chosen.status_code == 200
            shown = [(await one.get(f"/v1/models/{name}")).json()["version"] for one in pair]
            assert shown == [number, number]

    async def test_new_api_key_works_on_both_gateways(
        self, gateway: Gateway, pair: tuple[httpx.AsyncClient, ...]
    ) -> None:
        found: list[int] = []
        for number in range(KEYS):
            async with gateway.parts.database.transaction() as session:
                pepper = secret_key(gateway.parts.settings)
                place = session, SystemClock(), pepper, gateway.account.id
                key = await create_key(*place, f"key {number}")
            headers = {"authorization": f"Bearer {key.secret}"}
            found += [(await one.get("/v1/models", headers=headers)).status_code for one in pair]
        assert found == [200] * 2 * KEYS


class TestPropagationWait:
    async def test_wait_for_a_silent_process_ends_after_the_maximum_wait(
        self, gateway: Gateway
    ) -> None:
        database, clock = gateway.parts.database, gateway.parts.clock
        async with database.transaction() as session:
            await session.execute(
                text(
                    "insert into gateway_process (id, host, pid, started_at, expires_at) "
                    "values (gen_random_uuid(), 'silent', 1, now(), now() + interval '1 minute')"
                )
            )
            await advance_epoch(session, gateway.account.id)
            epoch = await read_epoch(session)
        began = clock.monotonic()
        propagation = Propagation(database, clock)
        assert await propagation.wait(epoch) is False
        assert propagation.max_wait_s > DEFAULT_TIMING.trust_s
        waited = clock.monotonic() - began
        assert propagation.max_wait_s <= waited < propagation.max_wait_s + 1.0

    async def test_ended_process_is_not_waited_for(self, gateway: Gateway) -> None:
        database, clock = gateway.parts.database, gateway.parts.clock
        async with database.transaction() as session:
            await session.execute(
                text(
                    "insert into gateway_process (id, host, pid, started_at, expires_at, ended_at) "
                    "values (gen_random_uuid(), 'gone', 1, now(), now(), now())"
                )
            )
            await advance_epoch(session, gateway.account.id)
            epoch = await read_epoch(session)
        assert await Propagation(database, clock).wait(epoch) is True

    async def test_live_process_records_the_epoch_that_it_has_applied(
        self, gateway: Gateway
    ) -> None:
        database, clock = gateway.parts.database, gateway.parts.clock
        async with database.transaction() as session:
            await advance_epoch(session, gateway.account.id)
            epoch = await read_epoch(session)
        assert await Propagation(database, clock).wait(epoch)
        async with database.transaction() as session:
            process = await session.get(GatewayProcess, gateway.parts.heartbeat.process_id)
            assert process is not None
            assert process.seen_epoch is not None
            assert process.seen_epoch >= epoch
