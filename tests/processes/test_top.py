"""`maas top`: figures of real gateways, within 80 columns, and errors of unreachable gateways."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.timing import Timing
from tests.support import builders
from tests.support.builders import CATALOG, CHAT, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.commands import invoke, leave_logs_alone

TOKEN = "an operator's own token"


async def top(
    url: str, data_dir: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `maas top` in a process, with the width of a small terminal."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("MAAS_")}
    known |= {"MAAS_DATA_DIR": str(data_dir), "NO_PROXY": "127.0.0.1", **environment}
    code = "import gateway.cli.main; gateway.cli.main.main()"
    command = [sys.executable, "-c", code, "top", "--url", url, *arguments]
    return await asyncio.to_thread(
        subprocess.run, command, env=known, capture_output=True, text=True, timeout=180
    )


async def say(url: str, data_dir: Path, **environment: str) -> tuple[int, dict[str, Any]]:
    """Run `maas top --json` without a process; returns exit code and output."""
    known = {"MAAS_DATA_DIR": str(data_dir), "NO_PROXY": "127.0.0.1", **environment}
    arguments = ("top", "--url", url, "--once", "--json", "--every", "0.2")
    code, out = await invoke(known, *arguments)
    return code, json.loads(out)


@pytest.fixture(autouse=True)
def _logs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_logs_alone(monkeypatch)


@pytest.fixture
def timing() -> Timing:
    """Gauges are there as early as in a gateway in operation."""
    return replace(builders.TIMING, first_look_s=0.01)


class TestTopWithGateway:
    async def test_json_contains_readiness_models_and_errors(
        self, gateway: Gateway, tmp_path: Path
    ) -> None:
        for _ in range(3):
            await gateway.chat("one two")
        refused = await gateway.http.post("/v1/chat/completions", json={"model": "none"})
        error_code = refused.json()["error"]["code"]
        code, told = await say(gateway.url, tmp_path)
        assert code == 0, told
        assert told["ready"] == {"status": "ok", "database": True, "models": True}
        assert (told["running"], told["records_failing"], told["workers"]) == (0, False, 0)
        assert {one["model"] for one in told["models"]} == CATALOG.models.keys()
        assert {one["up"] for one in told["models"]} == {True}
        (error,) = told["errors"]
        assert error == {"code": error_code, "model": "", "recent": 0, "total": 1}

    async def test_json_contains_rates_of_calls_during_the_interval(
        self, gateway: Gateway, tmp_path: Path
    ) -> None:
        looking = asyncio.create_task(
            top(gateway.url, tmp_path, "--once", "--json", "--every", "2")
        )
        while not looking.done():
            await gateway.chat("one two three")
            await asyncio.sleep(0.02)  # otherwise `maas` would start too slowly on a busy machine
        told = json.loads((await looking).stdout)
        assert told["calls"] > 0
        assert told["spend"]["CNY"] > 0
        assert 0 < told["p50"] <= told["p95"]
        busiest = told["models"][0]
        assert busiest["model"] == CHAT
        # Each call has 3 input and 5 output tokens; counters lag by a quarter of a second.
        assert 6 < busiest["tokens"] / busiest["calls"] < 10

    async def test_text_output_fits_80_columns(self, gateway: Gateway, tmp_path: Path) -> None:
        await gateway.chat("one two")
        await gateway.http.post("/v1/chat/completions", json={"model": "none"})
        arguments = ("--once", "--every", "0.2")
        done = await top(gateway.url, tmp_path, *arguments, COLUMNS="80", TERM="xterm")
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert max(map(len, lines)) <= 80, done.stdout
        for word in ("calls/s", "tokens/s", "spend/min", "in flight", "p95", "no worker", CHAT):
            assert word[:20] in done.stdout

    async def test_metrics_token_is_read_from_the_settings(
        self, database_url: str, tmp_path: Path, upstream: FakeUpstream
    ) -> None:
        configured = builders.settings(database_url, tmp_path, upstream.url, metrics_token=TOKEN)
        async with builders.run_gateway(configured) as gateway:
            code, refused = await say(gateway.url, tmp_path)
            assert code == 1
            assert "MAAS_METRICS_TOKEN" in refused["error"]["message"]
            code, _ = await say(gateway.url, tmp_path, MAAS_METRICS_TOKEN=TOKEN)
            assert code == 0


class TestTopWithoutGateway:
    @pytest.mark.usefixtures("processes")
    async def test_unreachable_address_is_reported_without_traceback(self, tmp_path: Path) -> None:
        done = await top("http://127.0.0.1:9", tmp_path, "--once")
        assert done.returncode == 1
        assert "does not respond at http://127.0.0.1:9" in done.stderr
        assert "Traceback" not in done.stderr

    async def test_address_of_another_server_is_rejected(
        self, upstream: FakeUpstream, tmp_path: Path
    ) -> None:
        code, said = await say(upstream.url, tmp_path)
        assert (code, said["error"]["code"]) == (1, "gateway_away")
