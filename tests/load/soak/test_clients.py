"""Failures recorded by the clients of a soak test."""

import asyncio
import time
from pathlib import Path

import pytest
from aiohttp import web

from load.deployment.firms import Firm
from load.soak.clients import Clients
from tests.support.fakes.listening import listening

pytestmark = pytest.mark.usefixtures("network")

LATE_S = 0.3
MODELS = [{"task": task, "id": task} for task in ("classification", "embedding", "text-generation")]


async def models(_request: web.Request) -> web.Response:
    return web.json_response({"data": MODELS})


async def test_call_failure_is_recorded_at_its_end_time(tmp_path: Path) -> None:
    """A call that runs when a fault is injected started before the fault and fails after it."""
    app = web.Application()
    app.router.add_get("/v1/models", models)
    begun: list[float] = []

    async def fails(_request: web.Request) -> web.Response:
        begun.append(time.monotonic())
        await asyncio.sleep(LATE_S)
        return web.json_response({"error": {"code": "model_failed"}}, status=502)

    app.router.add_post("/v1/{what:.+}", fails)
    async with listening(app) as url:
        firms = [Firm("acme", "", "", "maas_x")]
        clients = Clients(lambda: (url,), firms, tmp_path / "answered.txt", seed=1)
        calling = asyncio.create_task(clients.run_at_rate(rate=200.0))
        async with asyncio.timeout(120):
            while not begun:  # noqa: ASYNC110  # the server only counts
                await asyncio.sleep(0.005)
        clients.stop()
        await calling
        clients.close()
    failures = clients.stats.failures
    assert {reason for _, reason in failures} == {"model_failed"}
    assert min(at_s for at_s, _ in failures) >= LATE_S
