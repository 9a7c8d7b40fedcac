"""What each event of a soak does."""

import asyncio
import json
import random
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from load.deployment.service import WEBHOOK_SECRET
from load.mixed_day.stripe_events import PATH, Events
from load.soak.events import POSTGRES, RECONCILED, ROLLING, STORM, UPSTREAM
from load.soak.fleet import Fleet

_SENDERS = 8


@dataclass
class Happening:
    """Makes things happen to a fleet; `away_s` is how long what is taken away stays away."""

    fleet: Fleet
    away_s: float
    storm: int
    storms: int = 0
    distinct: int = 0
    _chance: random.Random = field(default_factory=lambda: random.Random(5))

    async def make(self, name: str) -> str:
        """One of the events; what came of it."""
        does: Mapping[str, Callable[[], Awaitable[str]]] = {
            STORM: self._storm,
            POSTGRES: self._postgres,
            UPSTREAM: self._upstream,
            ROLLING: self._roll,
            RECONCILED: self._reconcile,
        }
        return await does[name]()

    async def _storm(self) -> str:
        """As many events as Stripe sends in an hour, at once, over both gateways."""
        self.storms += 1
        each = -(-self.storm // _SENDERS)
        senders = [
            Events(f"soak{self.storms}_{number}", self._chance) for number in range(_SENDERS)
        ]
        async with aiohttp.ClientSession() as http:
            posts = await asyncio.gather(*(self._send(http, one, each) for one in senders))
        distinct = sum(one.distinct for one in senders)
        self.distinct += distinct
        return f"{sum(posts)} posts of {distinct} events"

    async def _send(self, http: aiohttp.ClientSession, sender: Events, count: int) -> int:
        """So many events, each until it is taken, as Stripe goes on."""
        posts = 0
        for _ in range(count):
            body, headers = sender.post(WEBHOOK_SECRET)
            while True:
                posts += 1
                url = self._chance.choice(self.fleet.urls) + PATH
                try:
                    async with http.post(url, data=body, headers=headers) as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.2)
        return posts

    async def _postgres(self) -> str:
        await self.fleet.restart_postgres(self.away_s)
        return f"away for {self.away_s:g} s"

    async def _upstream(self) -> str:
        await self.fleet.kill_upstream(self.away_s)
        return f"one of two, away for {self.away_s:g} s"

    async def _roll(self) -> str:
        await self.fleet.roll_gateways()
        return "both"

    async def _reconcile(self) -> str:
        said = await reconcile(self.fleet)
        return f"{len(said['differences'])} differences"


async def reconcile(fleet: Fleet) -> dict[str, Any]:
    """What `maas reconcile` says. Raises RuntimeError where it says nothing."""
    command = [str(Path(sys.executable).with_name("maas")), "reconcile", "--json"]
    process = await asyncio.create_subprocess_exec(
        *command, env=fleet.environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    lines = out.splitlines()
    said: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    if "differences" not in said:
        raise RuntimeError(f"maas reconcile: {said}")
    return said
