"""`kill -9` of gateways and workers while teams of agents work: each case ends in one work order.

    monitors raise a rule -> diagnose -> plan -> execute, by members that processes work for

One kill of a gateway here, 14 agents; 30 kills of gateways and workers, 500 agents in `make chaos`.
"""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.database.database import Database
from infra.settings import Settings
from tests.processes.agent_teams import Works, create_agents, import_works, send_readings
from tests.processes.clients import all_settled
from tests.support import builders
from tests.support.billing.making import sql
from tests.support.chaos import in_full
from tests.support.fakes.upstream import FakeUpstream
from tests.support.fleet import Fleet, Member, fleet_environment, run_fleet
from tests.support.gateway.team import predicting
from tests.support.nightly import nightly
from tests.support.starting import Child, start_process

_KILLS, _TEAMS, _MONITORS = in_full(30, 1), in_full(10, 1), in_full(44, 8)
_LEASE_S = in_full(6, 3)
_MAX_TAKEOVER_S = 10.0
_PATIENCE_S = 180
_OPEN = "status in ('announced', 'held', 'waiting')"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def configured(database_url: str, tmp_path: Path, upstream: FakeUpstream) -> Settings:
    predicting(upstream, 0.8)
    upstream.delay_s = 0.3
    timing = replace(
        builders.TIMING,
        process_ttl_s=5.0,
        process_renew_s=1.0,
        task_lease_s=float(_LEASE_S),
        queue_poll_s={"agents": 1.0, "agent_board": 1.0, "agent_leases": 1.0},
    )
    return builders.settings(database_url, tmp_path, upstream.url, timing=timing)


@contextmanager
def a_worker(configured: Settings) -> Iterator[list[Child]]:
    """Run a worker in full; the test replaces it in the list."""
    running = [start_worker(configured)] if in_full(1, 0) else []
    try:
        yield running
    finally:
        for one in running:
            one.kill()
            one.wait()


def start_worker(configured: Settings) -> Child:
    return start_process("gateway.worker", fleet_environment(configured))


@nightly
async def test_each_case_of_killed_processes_ends_in_one_work_order(
    configured: Settings, database: Database
) -> None:
    chance = random.Random(20261201)
    account, key = await builders.customer(database, configured)
    works = Works(account.id, key.row.id, _TEAMS, _MONITORS)
    kills: list[datetime] = []
    async with run_fleet(configured, 2) as fleet:
        headers = {"authorization": f"Bearer {key.secret}"}
        async with httpx.AsyncClient(base_url=fleet.urls[0], headers=headers, timeout=120) as http:
            await import_works(http, works)
            await send_readings(http, works)
        monitors = await create_agents(database, works)
        chance.shuffle(monitors)
        with a_worker(configured) as workers:
            for number in range(_KILLS):
                wave = monitors[number::_KILLS]
                await sql(database, _activate([one.hex for one in wave]))
                victim = await _holder(database, fleet)
                kills.append((await sql(database, "select clock_timestamp() as at"))[0].at)
                await _kill(fleet, victim, workers, configured, number)
            await _finished(database, works)
        await all_settled(database, processes=len(fleet.members))
    await _each_case_has_one_order(database, works)
    await _money_agrees(database)
    _report(works, await _takeovers(database, kills))


def _activate(agents: list[str]) -> str:
    listed = ", ".join(f"'{one}'" for one in agents)
    return f"update agent set status = 'active', due_at = now() where id in ({listed})"


async def _holder(database: Database, fleet: Fleet) -> Member:
    """Return a gateway that works on a task, as soon as there is one."""
    query = """
        select pid from gateway_process join agent_task on process_id = gateway_process.id
        where status = 'held' and kind = 'diagnose' and ended_at is null order by random() limit 1
    """
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            pids = {row.pid for row in await sql(database, query)}
            found = [one for one in fleet.members if one.child.pid in pids]
            if found:
                return found[0]
            await asyncio.sleep(0.02)


async def _kill(
    fleet: Fleet, victim: Member, workers: list[Child], configured: Settings, number: int
) -> None:
    """Kill a gateway, every fifth time a worker too; in full, start others in their place."""
    fleet.members.remove(victim)
    victim.kill()
    if not workers:
        return
    if number % 5 == 4:
        worker = workers.pop()
        worker.kill()
        worker.wait()
        workers.append(await asyncio.to_thread(start_worker, configured))
    await fleet.start()


async def _finished(database: Database, works: Works) -> None:
    """Wait until each asset's case was executed."""
    done = "select 1 from agent_task where kind = 'execute' and status = 'done'"
    async with asyncio.timeout(_PATIENCE_S):
        while len(await sql(database, done)) < works.cases:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def _each_case_has_one_order(database: Database, works: Works) -> None:
    """No task, action or work order was lost or created twice."""
    tasks = await sql(database, "select asset_id, kind, status from agent_task")
    per_kind = Counter((row.kind, row.status) for row in tasks)
    assert per_kind == dict.fromkeys(
        (("diagnose", "done"), ("plan", "done"), ("execute", "done")), works.cases
    )
    actions = await sql(database, "select content->>'asset_id' as asset, status from agent_action")
    assert len({row.asset for row in actions}) == len(actions) == works.cases
    assert {row.status for row in actions} == {"executed"}
    orders = await sql(
        database, "select object_id from plant_relation where subject_kind = 'work_order'"
    )
    assert len({row.object_id for row in orders}) == len(orders) == works.cases
    assert await sql(database, f"select 1 from agent_task where {_OPEN}") == []


async def _money_agrees(database: Database) -> None:
    """What teams count is what was billed for their calls, those of lost processes too."""
    billed = "select coalesce(sum(cost_nano), 0) as nano from usage where operation = 'predictions'"
    counted = "select sum(spent_month_nano) as nano from agent_team"
    assert (await sql(database, billed))[0].nano == (await sql(database, counted))[0].nano
    assert await sql(database, "select 1 from agent_hold") == []


async def _takeovers(database: Database, kills: list[datetime]) -> list[float]:
    """Return the seconds from the kill to the next award, of each lease that was not renewed."""
    rows = await sql(
        database,
        """
        select (select min(at) from agent_task_event awarded
                where awarded.task_id = lost.task_id and awarded.kind = 'awarded'
                  and awarded.at >= lost.at) as taken
        from agent_task_event lost
        where kind = 'lapsed' and data->>'code' = 'lease_not_renewed'
        """,
    )
    taken: list[Any] = [row.taken for row in rows]
    return [(at - max(kill for kill in kills if kill < at)).total_seconds() for at in taken]


def _report(works: Works, takeovers: list[float]) -> None:
    slowest = max(takeovers, default=0.0)
    sys.stderr.write(
        f"{_KILLS} kills, {works.agents} agents, {works.cases} cases: each one work order; "
        f"{len(takeovers)} tasks taken over, the slowest in {slowest:.1f} s\n"
    )
    assert takeovers
    assert slowest <= _MAX_TAKEOVER_S
