"""Gateway processes as child processes of a test, which can be killed as by a machine failure.

They use the settings, database and data directory of the test, as the
gateways of several hosts share a database and a secret key.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx
from pydantic import SecretStr

from infra.processes import stop_process
from infra.settings import Settings
from infra.timing import Timing
from tests.support.maas_process import free_port
from tests.support.starting import Child, start_process

_START_S = 120.0


@dataclass
class Member:
    """One gateway process."""

    url: str
    child: Child

    def kill(self) -> None:
        """Kill the process with SIGKILL, without any clean-up."""
        self.child.kill()
        self.child.wait()

    def stop(self, patience_s: float = 40) -> None:
        """Stop the process as in a deployment: running calls complete first."""
        stop_process(self.child, patience_s)


@dataclass
class Fleet:
    """The processes that run now."""

    configured: Settings
    members: list[Member] = field(default_factory=list)

    @property
    def urls(self) -> list[str]:
        return [member.url for member in self.members]

    async def start(self) -> Member:
        """Start another gateway and wait until it responds."""
        port = free_port()
        environment = {**fleet_environment(self.configured), "MAAS_PORT": str(port)}
        child = await asyncio.to_thread(start_process, "gateway", environment)
        member = Member(f"http://127.0.0.1:{port}", child)
        try:
            await _until_it_answers(member)
        except BaseException:
            member.kill()
            raise
        self.members.append(member)
        return member

    async def replace(self, chance: random.Random) -> None:
        """Kill a random gateway and start another one."""
        victim = self.members.pop(chance.randrange(len(self.members)))
        victim.kill()
        await self.start()

    def stop(self) -> None:
        for member in self.members:
            member.stop()
        self.members.clear()


@asynccontextmanager
async def run_fleet(configured: Settings, number: int) -> AsyncIterator[Fleet]:
    """Run a number of gateways until the block ends."""
    fleet = Fleet(configured)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(number):
                group.create_task(fleet.start())
        yield fleet
    finally:
        await asyncio.to_thread(fleet.stop)


def fleet_environment(configured: Settings) -> dict[str, str]:
    return {
        f"MAAS_{name.upper()}": _text(getattr(configured, name))
        for name in configured.model_fields_set
    }


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, Timing):
        return json.dumps(asdict(value))
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


async def _until_it_answers(member: Member) -> None:
    async with httpx.AsyncClient() as http, asyncio.timeout(_START_S):
        while True:
            assert member.child.poll() is None, "the gateway has fallen"
            try:
                if (await http.get(f"{member.url}/health/live")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.1)
