"""`maas up` and the other commands, run as processes.

A start takes as long as hundreds of calls, so tests that only need a running service share one.
"""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.support.builders import CHAT
from tests.support.chaos import in_full
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.commands import invoke, leave_logs_alone
from tests.support.maas_process import MAAS, free_port, run

# Steps of two seconds may take this long on a busy machine.
_PATIENCE_S = 180


@dataclass
class Running:
    """A running `maas up` and its ready message."""

    process: asyncio.subprocess.Process
    environment: dict[str, str]
    said: dict[str, Any]

    async def maas(self, *arguments: str) -> tuple[int, Any]:
        """Run another command on the same installation; returns exit code and output."""
        return await run(self.environment, *arguments, "--json")

    async def say(self, *arguments: str) -> tuple[int, Any]:
        """Run the command without a process."""
        code, out = await invoke(self.environment, *arguments, "--json")
        return code, json.loads(out)

    async def chat(self, key: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {key}"}
        body = {"model": CHAT, "messages": [{"role": "user", "content": "a b"}], "max_tokens": 5}
        async with httpx.AsyncClient(base_url=self.said["url"], headers=headers) as http:
            return await http.post("/v1/chat/completions", json=body, timeout=60)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    async def ends(self) -> int:
        return await asyncio.wait_for(self.process.wait(), _PATIENCE_S)


def surroundings(data_dir: Path, upstream: FakeUpstream, workers: int) -> dict[str, str]:
    environment = {
        **os.environ,
        "MAAS_DATA_DIR": str(data_dir),
        "MAAS_SERVING_URL": upstream.url,
        "MAAS_PORT": str(free_port()),
        "MAAS_WORKERS": str(workers),
    }
    environment.pop("MAAS_DATABASE_URL", None)
    return environment


@asynccontextmanager
async def begun(data_dir: Path, upstream: FakeUpstream, workers: int = 1) -> AsyncIterator[Running]:
    """Start `maas up`; it is ended with the block."""
    environment = surroundings(data_dir, upstream, workers)
    process = await asyncio.create_subprocess_exec(
        MAAS, "up", "--json", env=environment, stdout=asyncio.subprocess.PIPE
    )
    running = Running(process, environment, {})
    try:
        yield running
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            await running.ends()


@asynccontextmanager
async def started(
    data_dir: Path, upstream: FakeUpstream, workers: int = 1
) -> AsyncIterator[Running]:
    """Start `maas up` and wait until it is ready."""
    async with begun(data_dir, upstream, workers) as running:
        assert running.process.stdout is not None
        async with asyncio.timeout(_PATIENCE_S):
            while running.said.get("stage") != "ready":
                running.said = json.loads(await running.process.stdout.readline())
        yield running


async def none_lives(family: list[psutil.Process]) -> None:
    """Wait until all processes have ended."""
    assert family
    async with asyncio.timeout(_PATIENCE_S):
        while any(map(_lives, family)):  # noqa: ASYNC110  # they are not our children
            await asyncio.sleep(0.05)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_up_starts_bills_calls_and_restarts_after_a_kill(
    empty_data_dir: Path,
    upstream: FakeUpstream,
    subtests: pytest.Subtests,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calls are billed and commands work while the service runs; it is killed and restarted."""
    leave_logs_alone(monkeypatch)
    async with started(empty_data_dir, upstream, workers=2) as running:
        for part in (a_call_is_billed, a_second_one_says_what_runs, the_port_of_another_program):
            with subtests.test(part.__name__):
                await part(running)
        for part in (accounts_and_keys, a_revoked_key_stops, wrong_arguments_are_facts, models):
            with subtests.test(part.__name__):
                await part(running)
        with subtests.test("killing it leaves no gateway"):
            await killing_it_leaves_no_gateway(running)
        link = running.said["sign_in"]
        assert link.startswith(f"{running.said['url']}/dashboard/invitation/")
    async with started(empty_data_dir, upstream) as again:
        assert again.said["api_key"] is None
        assert again.said["sign_in"] not in (None, link)
        family = again.family()
        again.process.send_signal(signal.SIGINT)
        assert await again.ends() == 0
        await none_lives(family)


async def a_call_is_billed(running: Running) -> None:
    assert running.said["account"] == "demo"
    assert (await running.chat(running.said["api_key"])).status_code == 200
    code, rows = await running.say("usage")
    assert code == 0
    # 2 x 500 + 5 x 2000 = 11,000 nano-yuan.
    assert [(row["settlement"], row["cost"]) for row in rows] == [("complete", "0.000011000")]


async def a_second_one_says_what_runs(running: Running) -> None:
    code, said = await running.maas("up")
    assert code == 1
    assert said["error"]["code"] == "already_running"
    assert running.said["url"] in said["error"]["message"]


async def the_port_of_another_program(running: Running) -> None:
    elsewhere = str(Path(running.environment["MAAS_DATA_DIR"]) / "elsewhere")
    code, said = await run({**running.environment, "MAAS_DATA_DIR": elsewhere}, "up", "--json")
    assert (code, said["error"]["code"]) == (1, "port_taken")


async def accounts_and_keys(running: Running) -> None:
    _, account = await running.say("accounts", "create", "Weld & Co", "--currency", "usd")
    assert account["currency"] == "USD"
    code, refused = await running.say("accounts", "create", "Weld & Co")
    assert (code, refused["error"]["code"]) == (1, "account_name_taken")
    _, key = await running.say("keys", "create", account["id"], "--name", "line 1")
    _, fresh = await running.say("keys", "rotate", account["id"], key["id"])
    assert fresh["secret"] != key["secret"]
    _, old = await running.say("keys", "revoke", "Weld & Co", key["id"])
    assert old["revoked_at"]
    _, listed = await running.say("keys", "list", account["id"])
    assert [row["id"] for row in listed] == [key["id"], fresh["id"]]
    assert key["secret"] not in json.dumps(listed)
    _, accounts = await running.say("accounts", "list")
    assert {"demo", "Weld & Co"} <= {row["name"] for row in accounts}


async def a_revoked_key_stops(running: Running) -> None:
    _, keys = await running.say("keys", "list", "demo")
    secret = running.said["api_key"]
    assert (await running.chat(secret)).status_code == 200
    code, _ = await running.say("keys", "revoke", "demo", keys[0]["id"])
    assert code == 0
    async with asyncio.timeout(_PATIENCE_S):  # each gateway reads the change within a second
        while await _code_of_chat(running, secret) != "api_key_revoked":  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def _code_of_chat(running: Running, secret: str) -> str:
    answer = await running.chat(secret)
    return "" if answer.is_success else str(answer.json()["error"]["code"])


async def wrong_arguments_are_facts(running: Running) -> None:
    for arguments, code in (
        (("keys", "list", "nobody"), "account_not_found"),
        (("keys", "revoke", "demo", "x"), "key_not_found"),
        (("keys", "revoke", "demo", "key_" + "0" * 32), "key_not_found"),
        (("accounts", "create", " "), "account_name_invalid"),
        (("accounts", "create", "a\x07b"), "account_name_invalid"),
        (("usage", "--account", "nobody"), "account_not_found"),
    ):
        exit_code, said = await running.say(*arguments)
        assert (exit_code, said["error"]["code"]) == (1, code)


async def models(running: Running) -> None:
    _, listed = await running.say("models")
    assert CHAT in {model["id"] for model in listed}


async def killing_it_leaves_no_gateway(running: Running) -> None:
    gateways = [child for child in running.family() if "postgres" not in child.name()]
    running.process.kill()
    await running.ends()
    await none_lives(gateways)
    # The next start takes over the running database, and stops it at its end.
    code, rows = await running.maas("usage")
    assert code == 0
    settlements = [row["settlement"] for row in rows if row["settlement"] != "refused"]
    assert settlements[:2] == ["complete", "complete"]
    assert set(settlements) == {"complete"}
    directory = running.environment["MAAS_DATA_DIR"]
    for process in psutil.process_iter(["cmdline"]):
        assert f"{directory}/postgres" not in (process.info["cmdline"] or [])


async def test_up_exits_with_an_error_when_its_gateway_dies(
    data_dir: Path, upstream: FakeUpstream
) -> None:
    """The gateway dies during the start; in `make chaos` after it."""
    starting = started if in_full(1, 0) else begun
    async with starting(data_dir, upstream) as running:
        (await _gateway_of(running)).kill()
        assert await running.ends() == 1


async def _gateway_of(running: Running) -> psutil.Process:
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            for child in running.family():
                with suppress(psutil.Error):  # the process has ended meanwhile
                    if child.cmdline()[-2:] == ["-m", "gateway"]:
                        return child
            await asyncio.sleep(0.05)
