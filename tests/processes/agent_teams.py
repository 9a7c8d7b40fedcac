"""Teams of agents for tests that kill processes: machines, readings, monitors and other members."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import httpx

from gateway.agents.board.team_fields import read_team
from gateway.agents.board.teams import create_team
from gateway.agents.store.agents import AgentChange, create_agent, set_status
from gateway.identity.audit_log import CLI_ACTOR
from gateway.tables import AgentStatus
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from tests.support.gateway.agents import definition
from tests.support.gateway.team import member_fields

_WORKERS = (*("diagnostician", "planner", "executor") * 2,)


@dataclass(frozen=True)
class Works:
    """An account with some teams, each with monitors of as many machines and six other members."""

    account_id: UUID
    key_id: UUID
    teams: int
    monitors: int

    @property
    def cases(self) -> int:
        return self.teams * self.monitors

    @property
    def agents(self) -> int:
        return self.teams * (self.monitors + len(_WORKERS))

    def machines(self, team: int) -> list[str]:
        return [f"M{team}-{number}" for number in range(self.monitors)]

    @property
    def all_machines(self) -> list[str]:
        return [code for team in range(self.teams) for code in self.machines(team)]


async def import_works(http: httpx.AsyncClient, works: Works) -> None:
    """Import the machines, each with two points."""
    assets = "".join(f"{code},{code},equipment,S1\n" for code in works.all_machines)
    points = "".join(
        f"{code}.TQ,Nm,Torque,{code}\n{code}.N,1/min,rotational speed,{code}\n"
        for code in works.all_machines
    )
    for text in (f"asset,asset name,level,parent\nS1,Works,site,\n{assets}",
                 f"tag,unit,name,asset\n{points}"):  # fmt: skip
        files = {"file": ("plant.csv", text.encode())}
        shown = await http.post("/v1/plant/imports", files=files)
        assert shown.status_code == 200, shown.text
        done = await http.post(f"/v1/plant/imports/{shown.json()['id']}/confirm")
        assert done.status_code == 200, done.text


async def send_readings(http: httpx.AsyncClient, works: Works) -> None:
    """Send a reading of each point; the torque raises the monitor's rule."""
    time = (SystemClock().now() - timedelta(seconds=1)).isoformat()
    readings = [
        {"tag": f"{code}.{tag}", "time": time, "value": value}
        for code in works.all_machines
        for tag, value in (("TQ", 65.0), ("N", 1300.0))
    ]
    answer = await http.post("/v1/plant/readings", json={"readings": readings})
    assert answer.status_code == 200, answer.text


async def create_agents(database: Database, works: Works) -> list[UUID]:
    """Create teams with active members, and their monitors, paused; returns the monitors' ids."""
    monitors = []
    for team in range(works.teams):
        async with database.transaction() as session:
            change = AgentChange(session, SystemClock(), CLI_ACTOR, works.account_id)
            name, machines = f"Team {team}", works.machines(team)
            await create_team(change, read_team({"name": name, "max_leases": 50}))
            members = [("monitor", code) for code in machines]
            members += [(role, machines[0]) for role in _WORKERS]
            for role, asset in members:
                made = definition(**member_fields(role, asset, name), every="31d")
                row = await create_agent(change, works.key_id, made, 1_000)
                if role == "monitor":
                    monitors.append(row.id)
                else:
                    await set_status(change, ids.format_id("agent", row.id), AgentStatus.ACTIVE)
    return monitors
