"""An account with a pump, an owner's key and a connector with a valve, for tests of commands."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from billing.outcomes.evidence.signatures import generate_key_pair
from gateway.plant.commands.documents import read_key, sign_limits
from gateway.plant.connector.commands.dead_man import DeadManTimers
from gateway.plant.connector.commands.executing import Executor
from gateway.plant.connector.commands.journal import Journal
from gateway.plant.connector.commands.polling import CommandRunner
from gateway.plant.connector.commands.trust import LimitsVerifier
from gateway.tables.agents import AgentStatus
from infra import ids
from tests.support.billing.making import sql
from tests.support.builders import Gateway
from tests.support.gateway.agent_api import post
from tests.support.gateway.watched_pumps import add_agent, run_agents
from tests.support.plant.collecting import new_metrics
from tests.support.plant.commands import CONNECTOR, TAG, UNIT, Valve, limits, point

AGENTS = "/v1/agents"
STEP = {"tag": TAG, "value": 3.0, "unit": UNIT, "when": "inspect"}
ACTING: dict[str, Any] = {
    "autonomy": "act",
    "actions": ["write"],
    "commands": [STEP],
    "cooldown": "1s",
}
DEAD_MAN = point(dead_man_s=900.0, safe_value=2.0)


class CommandedWorks:
    """An account with a pump, an owner's key, and a connector with a valve."""

    def __init__(self, gateway: Gateway, folder: Path) -> None:
        private, public = generate_key_pair()
        self.gateway = gateway
        self.public = public.decode()
        self.private = read_key(private.decode())
        self.valve = Valve(4.0)
        self.account = ids.format_id("acct", gateway.account.id)
        clock = gateway.parts.clock
        self.journal = Journal(folder / "commands.db")
        self.timers = DeadManTimers(self.journal, clock)
        verifier = LimitsVerifier(self.account, CONNECTOR, [read_key(self.public)], self.journal)
        targets = {TAG: self.valve}
        executor = Executor(targets, self.journal, self.timers, clock, new_metrics())
        parts = (verifier, self.journal, self.timers, executor, clock)
        self.runner = CommandRunner(gateway.http, CONNECTOR, [TAG], *parts)

    def signed(self, *points: Any, **fields: Any) -> str:
        now = self.gateway.parts.clock.now()
        times = {"issued_at": now, "expires_at": now + timedelta(days=30)}
        document = limits(*points, **{"account": self.account, **times, **fields})
        return sign_limits(document, self.private)

    async def add_limits(self, *points: Any, **fields: Any) -> dict[str, Any]:
        body = {"limits": self.signed(*points, **fields), "public_key": self.public}
        return await post(self.gateway, f"{AGENTS}/limits", body)

    async def agent(self, **fields: Any) -> str:
        return await add_agent(self.gateway, AgentStatus.ACTIVE, **{**ACTING, **fields})

    async def tick(self) -> None:
        """Let all agents tick now."""
        now = self.gateway.parts.clock.now()
        await sql(
            self.gateway.parts.database,
            "update agent set due_at = :now, ticked_at = null where account_id = :account",
            now=now,
            account=self.gateway.account.id,
        )
        await run_agents(self.gateway)

    async def exchange(self) -> None:
        """Let the connector fetch, carry out and report."""
        for _ in range(2):
            assert await self.runner.exchange()
            await self.runner.settle()

    async def listed(self, path: str) -> list[dict[str, Any]]:
        answer = await self.gateway.http.get(f"{AGENTS}/{path}")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["data"])
