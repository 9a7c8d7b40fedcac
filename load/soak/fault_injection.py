"""Inject the faults of a soak test."""

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
from load.mixed_day.stripe_events import PATH, EventSender
from load.soak.events import POSTGRES, RECONCILED, ROLLING, STORM, UPSTREAM
from load.soak.fleet import Fleet

_SENDERS = 8


@dataclass
class FaultInjector:
    """Injects faults into a fleet; `downtime_s` is how long a stopped process stays away."""

    fleet: Fleet
    downtime_s: float
    storm: int
    storms: int = 0
    distinct: int = 0
    _rng: random.Random = field(default_factory=lambda: random.Random(5))

    async def inject(self, name: str) -> str:
        """Inject a fault and return its outcome."""
        does: Mapping[str, Callable[[], Awaitable[str]]] = {
            STORM: self._storm,
            POSTGRES: self._postgres,
            UPSTREAM: self._upstream,
            ROLLING: self._roll,
            RECONCILED: self._reconcile,
        }
        return await does[name]()

    async def _storm(self) -> str:
        """Send `storm` webhooks at once to both gateways."""
        self.storms += 1
        each = -(-self.storm // _SENDERS)
        senders = [
            EventSender(f"soak{self.storms}_{number}", self._rng) for number in range(_SENDERS)
        ]
        async with aiohttp.ClientSession() as http:
            posts = await asyncio.gather(*(self._send(http, one, each) for one in senders))
        distinct = sum(one.distinct for one in senders)
        self.distinct += distinct
        return f"{sum(posts)} posts of {distinct} events"

    async def _send(self, http: aiohttp.ClientSession, sender: EventSender, count: int) -> int:
        """Send events, each until it is accepted, as Stripe retries. Returns the requests."""
        posts = 0
        for _ in range(count):
            body, headers = sender.next_post(WEBHOOK_SECRET)
            while True:
                posts += 1
                url = self._rng.choice(self.fleet.urls) + PATH
                try:
                    async with http.post(url, data=body, headers=headers) as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.2)
        return posts

    async def _postgres(self) -> str:
        await self.fleet.restart_postgres(self.downtime_s)
        return f"away for {self.downtime_s:g} s"

    async def _upstream(self) -> str:
        await self.fleet.kill_upstream(self.downtime_s)
        return f"one of two, away for {self.downtime_s:g} s"

    async def _roll(self) -> str:
        await self.fleet.roll_gateways()
        return "both"

    async def _reconcile(self) -> str:
        data = await reconcile(self.fleet)
        return f"{len(data['differences'])} differences"


async def reconcile(fleet: Fleet) -> dict[str, Any]:
    """Run `maas reconcile` and return its result. Raises RuntimeError without one."""
    command = [str(Path(sys.executable).with_name("maas")), "reconcile", "--json"]
    process = await asyncio.create_subprocess_exec(
        *command, env=fleet.environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    lines = out.splitlines()
    data: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    if "differences" not in data:
        raise RuntimeError(f"maas reconcile: {data}")
    return data
