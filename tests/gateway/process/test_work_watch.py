"""The one look for the work of all queues: which loops it wakes."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Select
from sqlmodel import col, select

from billing.tables import Account
from gateway.agents.store.agents import find_agent
from gateway.started import pollers_of, work_watch_of
from infra import ids
from infra.clock import SystemClock
from infra.database.direct import DirectConnection
from infra.database.due_work import DueRows, Moment
from infra.poller import Poller
from infra.timing import Timing
from infra.work_watch import WorkWatch
from tests.support.builders import Gateway, customer
from tests.support.gateway.agent_api import active, client
from tests.support.gateway.asking import until

__all__ = ["client", "customer"]
RARELY = Timing(first_look_s=0.001, work_poll_s=3600.0, work_look_s=0.01)


class Loop(Poller):
    """A loop that counts its turns; `rows` are what it waits for."""

    def __init__(self, *rows: Select[Any]) -> None:
        super().__init__("work", self.turn, RARELY)
        self.rows, self.turns = rows, 0

    def due_rows(self, moment: Moment) -> Sequence[DueRows]:
        return self.rows

    async def turn(self) -> bool:
        self.turns += 1
        return False


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    """The shared gateway: tests look only for rows of their own."""
    return shared_gateway


@pytest.fixture
async def loops(gateway: Gateway) -> AsyncIterator[tuple[Loop, Loop, Loop]]:
    """Three running loops with a watch: one waits for the account, two for nothing that exists."""
    rows = select(col(Account.id)).where(col(Account.id) == gateway.account.id)
    none = rows.where(col(Account.id).is_(None))
    loops = Loop(none, rows), Loop(none), Loop()
    parts = gateway.parts
    watch = WorkWatch(parts.connections.reading, parts.clock, parts.heartbeat, loops, RARELY)
    for one in (*loops, watch):
        await one.start()
    yield loops
    for one in (watch, *loops):
        await one.stop()


async def test_look_wakes_only_loops_with_due_rows(loops: tuple[Loop, Loop, Loop]) -> None:
    first, second, third = loops
    await until(lambda: first.turns > 4)
    assert (second.turns, third.turns) == (1, 1)


async def test_look_wakes_the_loop_of_agents_when_a_tick_is_due(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await active(gateway)
    loops = pollers_of(gateway.parts)
    woken: list[str] = []
    for one in loops:
        monkeypatch.setattr(one, "wake", lambda one=one: woken.append(type(one).__name__))
    watch = work_watch_of(gateway.parts)
    await watch.look()
    assert woken == []
    async with gateway.parts.database.transaction() as session:
        row = await find_agent(session, gateway.account.id, made["id"])
        row.due_at = gateway.parts.clock.now() - timedelta(seconds=1)
        # Claimed, so that the gateway's own loop leaves it alone.
        row.process_id = gateway.parts.heartbeat.process_id
    await watch.look()
    assert woken == ["AgentRunner"]


class Ended:
    """A process that others may take for ended."""

    process_id, is_alive = ids.new_id(), False


async def test_process_that_counts_as_ended_asks_nothing_of_the_database() -> None:
    nowhere = DirectConnection("postgresql://127.0.0.1:1/none", timeout_s=1.0)
    watch = WorkWatch(nowhere, SystemClock(), Ended(), (Loop(select(col(Account.id))),))
    assert await watch.look() is False
