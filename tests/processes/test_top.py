"""`maas top`: what it tells of real gateways, within 80 columns, and where nothing answers."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support import builders
from tests.support.builders import CATALOG, CHAT, Gateway
from tests.support.fakes.upstream import FakeUpstream

TOKEN = "an operator's own token"


async def top(
    url: str, data_dir: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """In a process of its own, as wide as a small terminal."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("MAAS_")}
    known |= {"MAAS_DATA_DIR": str(data_dir), "NO_PROXY": "127.0.0.1", **environment}
    code = "import gateway.cli; gateway.cli.main()"
    command = [sys.executable, "-c", code, "top", "--url", url, *arguments]
    return await asyncio.to_thread(
        subprocess.run, command, env=known, capture_output=True, text=True, timeout=120
    )


async def seen(gateway: Gateway, data_dir: Path) -> dict[str, Any]:
    done = await top(gateway.url, data_dir, "--once", "--json", "--every", "0.2")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


class TestGateway:
    async def test_what_it_tells(self, gateway: Gateway, tmp_path: Path) -> None:
        for _ in range(3):
            await gateway.chat("one two")
        code = (await gateway.http.post("/v1/chat/completions", json={"model": "none"})).json()
        told = await seen(gateway, tmp_path)
        assert told["ready"] == {"status": "ok", "database": True, "models": True}
        assert (told["running"], told["records_failing"], told["workers"]) == (0, False, 0)
        assert {one["model"] for one in told["models"]} == CATALOG.models.keys()
        assert {one["up"] for one in told["models"]} == {True}
        (error,) = told["errors"]
        assert error == {"code": code["error"]["code"], "model": "", "recent": 0, "total": 1}

    async def test_calls_that_go_on_meanwhile(self, gateway: Gateway, tmp_path: Path) -> None:
        looking = asyncio.create_task(
            top(gateway.url, tmp_path, "--once", "--json", "--every", "3")
        )
        while not looking.done():
            await gateway.chat("one two three")
        told = json.loads((await looking).stdout)
        assert told["calls"] > 0
        assert told["spend"]["CNY"] > 0
        assert 0 < told["p50"] <= told["p95"]
        busiest = told["models"][0]
        assert busiest["model"] == CHAT
        # Each call is 3 tokens in and 5 out; what is counted is a quarter of a second late.
        assert 6 < busiest["tokens"] / busiest["calls"] < 10

    async def test_a_person_sees_it_in_80_columns(self, gateway: Gateway, tmp_path: Path) -> None:
        await gateway.chat("one two")
        await gateway.http.post("/v1/chat/completions", json={"model": "none"})
        arguments = ("--once", "--every", "0.2")
        done = await top(gateway.url, tmp_path, *arguments, COLUMNS="80", TERM="xterm")
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert max(map(len, lines)) <= 80, done.stdout
        for word in ("calls/s", "tokens/s", "spend/min", "in flight", "p95", "no worker", CHAT):
            assert word[:20] in done.stdout

    async def test_the_token_comes_from_the_settings(
        self, database_url: str, tmp_path: Path, upstream: FakeUpstream
    ) -> None:
        configured = builders.settings(database_url, tmp_path, upstream.url, metrics_token=TOKEN)
        async with builders.run_gateway(configured) as gateway:
            arguments = ("--once", "--json", "--every", "0.2")
            refused = await top(gateway.url, tmp_path, *arguments)
            assert refused.returncode == 1
            assert "MAAS_METRICS_TOKEN" in json.loads(refused.stdout)["error"]["message"]
            shown = await top(gateway.url, tmp_path, *arguments, MAAS_METRICS_TOKEN=TOKEN)
            assert shown.returncode == 0


class TestAway:
    async def test_where_nothing_answers(self, tmp_path: Path) -> None:
        done = await top("http://127.0.0.1:9", tmp_path, "--once")
        assert done.returncode == 1
        assert "does not answer on http://127.0.0.1:9" in done.stderr
        assert "Traceback" not in done.stderr

    async def test_where_something_else_answers(
        self, upstream: FakeUpstream, tmp_path: Path
    ) -> None:
        done = await top(upstream.url, tmp_path, "--once", "--json")
        assert done.returncode == 1
        assert json.loads(done.stdout)["error"]["code"] == "gateway_away"
