"""`make bench-agents`, third part: 10,000 agents that tick every minute, by rules alone.

    python -m load.bench.agents.fleet [--agents 10000] [--raised 0.1]

PostgreSQL runs on this machine; the runner runs in this process, without a gateway. A share of the
agents has a rule that is raised, so that they write a tick, a work order and a notice.
"""

import argparse
import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry
from sqlalchemy import insert, text
from sqlmodel import SQLModel

from billing.accounts.account_creation import AccountLimits, open_account
from billing.outcomes.predictions.model_keys import ModelSigner
from gateway.access.api_keys import create_key
from gateway.agents.definitions.checking import check
from gateway.agents.definitions.document import read_fields
from gateway.agents.dependencies import AgentDependencies
from gateway.agents.running.runner import AgentRunner
from gateway.agents.store.agents import write_definition
from gateway.tables import Agent, PlantAsset, PlantPoint
from gateway.tables.plant_readings import PlantReadingSeries
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from infra.telemetry.agent_metrics import declare_agent_metrics
from load.bench.embedded_postgres import migrated_postgres

_SECRET = b"x" * 32
_ACCOUNTS = 50
_POINTS = (("vibration", "mm/s", 2.0), ("temperature", "degC", 60.0))
_DEFINITION: Mapping[str, Any] = MappingProxyType(
    {
        "name": "Pump monitor",
        "every": "1h",
        "autonomy": "act",
        "actions": ["work_order"],
        "costs": {"planned_stop": 1500, "unplanned_stop": 12_000, "inspection": 120},
        "rules": [
            {"name": "vibration", "concept": "vibration", "above": 4.5, "unit": "mm/s"},
            {"name": "temperature", "concept": "temperature", "above": 85, "unit": "degC"},
        ],
    }
)


@dataclass(frozen=True)
class _Owner:
    """A process that never ends, in place of the heartbeat of a gateway."""

    process_id: UUID
    is_alive: bool = True


def main() -> None:
    """Measure and print a report in Markdown."""
    asked = argparse.ArgumentParser(prog="python -m load.bench.agents.fleet")
    asked.add_argument("--agents", type=int, default=10_000)
    asked.add_argument("--raised", type=float, default=0.1)
    options = asked.parse_args()
    with migrated_postgres() as url:
        asyncio.run(_measure(url, options.agents, options.raised))


async def _measure(url: str, agents: int, raised: float) -> None:
    """Create agents and run all of them twice: quiet, then with some rules raised."""
    database, clock = Database(url, pool_size=8), SystemClock()
    process_id = await _create(database, clock, agents)
    runner = AgentRunner(
        AgentDependencies(
            clock=clock,
            database=database,
            heartbeat=_Owner(process_id),  # type: ignore[arg-type]
            client=None,  # type: ignore[arg-type] # the agents call no model
            signer=ModelSigner(_SECRET),
            metrics=declare_agent_metrics(CollectorRegistry()),
        )
    )
    print("| round | agents | s | agents/s | CPU of this process, s | work orders |")
    print("|---|---|---|---|---|---|")
    await _round(runner, database, "all quiet", agents)
    await _raise(database, raised)
    await _round(runner, database, f"{raised:.0%} raised", agents)
    await _round(runner, database, "the same again, told and acted already", agents)
    await database.close()


async def _round(runner: AgentRunner, database: Database, name: str, agents: int) -> None:
    """Run all agents once, and print how long it took."""
    async with database.transaction() as session:
        await session.execute(text("update agent set due_at = now() - interval '1 second'"))
    began, used = time.perf_counter(), time.process_time()
    while await runner.run_due():
        pass
    elapsed, busy = time.perf_counter() - began, time.process_time() - used
    async with database.transaction() as session:
        orders = (await session.execute(text("select count(*) from plant_entity"))).scalar_one()
    rate = f"{elapsed:.1f} | {agents / elapsed:,.0f} | {busy:.1f}"
    print(f"| {name} | {agents:,} | {rate} | {orders} |", flush=True)


async def _create(database: Database, clock: SystemClock, agents: int) -> UUID:
    """Create accounts with assets, points, readings and agents; return the id of a process."""
    for account in range(_ACCOUNTS):
        async with database.transaction() as session:
            limits = AccountLimits(100, None, None, None)
            opened = await open_account(session, clock, f"Firm {account}", "CNY", limits)
            key = await create_key(session, clock, _SECRET, opened.id, "agents")
            firm = _Firm(opened.id, key.row.id, clock.now())
            for number in range(agents // _ACCOUNTS):
                firm.add_pump(f"P-{number}")
            for table, rows in firm.rows.items():
                await session.execute(insert(table), rows)
    return ids.new_id()


class _Firm:
    """The rows of an account's pumps, by table."""

    def __init__(self, account_id: UUID, key_id: UUID, now: datetime) -> None:
        self._account_id = account_id
        self._key_id = key_id
        self._now = now
        self.rows: dict[type[SQLModel], list[dict[str, Any]]] = {
            PlantAsset: [], PlantPoint: [], PlantReadingSeries: [], Agent: []
        }  # fmt: skip

    def add_pump(self, code: str) -> None:
        """Add a pump with two points, a reading of each, and an agent."""
        asset_id, changed = ids.new_id(), {"created_at": self._now, "updated_at": self._now}
        asset = {"id": asset_id, "code": code, "name": code, "level": "equipment"}
        self._add(PlantAsset, asset, {"types": {}, "properties": {}, "source": "csv", **changed})
        for concept, unit, value in _POINTS:
            point_id = ids.new_id()
            point = {"id": point_id, "asset_id": asset_id, "tag": f"{code}.{concept}", "unit": unit}
            mapping = {"concept_scheme": "own", "concept_id": concept}
            status = {"mapping_status": "confirmed", "source": "csv", "data_type": "number"}
            self._add(PlantPoint, point, {"name": concept, **mapping, **status, **changed})
            reading = {"last_us": int(self._now.timestamp() * 1e6), "last_value": value}
            self._add(PlantReadingSeries, {"point_id": point_id, "last_status": 0}, reading)
        definition = check(read_fields({**_DEFINITION, "asset": code}))
        agent = {"id": ids.new_id(), "asset_id": asset_id, "key_id": self._key_id, "version": 1}
        stored = {"definition": write_definition(definition), "state": {}, "due_at": self._now}
        spent: dict[str, Any] = {
            "spent_day": self._now.date(),
            "spent_day_nano": 0,
            "spent_month_nano": 0,
        }
        shown = {"name": definition.name, "status": "active", "failures": 0}
        self._add(Agent, agent, {**stored, **spent, **shown, **changed})

    def _add(self, table: type[SQLModel], key: dict[str, Any], values: dict[str, Any]) -> None:
        self.rows[table].append({"account_id": self._account_id, **key, **values})


async def _raise(database: Database, share: float) -> None:
    """Set the vibration of a share of the points above its limit."""
    async with database.transaction() as session:
        await session.execute(
            text(
                "update plant_reading_series set last_value = 9.0 where last_value = 2.0 "
                "and mod(abs(hashtext(point_id::text)), 1000) < :per_mille"
            ),
            {"per_mille": round(share * 1000)},
        )


if __name__ == "__main__":
    main()
