"""`maas up` and the other commands, as processes, the way a person runs them."""

import asyncio
import json
import os
import shlex
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from gateway.terminal import Terminal
from tests.support.builders import CHAT
from tests.support.fakes.upstream import FakeUpstream, run_fake_upstream
from tests.support.maas_process import MAAS, free_port, run


@dataclass
class Running:
    """A running `maas up`, and what it said when it was ready."""

    process: asyncio.subprocess.Process
    environment: dict[str, str]
    said: dict[str, Any]

    async def maas(self, *arguments: str) -> tuple[int, Any]:
        """Run another command on the same installation: exit code and what it said."""
        return await run(self.environment, *arguments, "--json")

    async def chat(self) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.said['api_key']}"}
        body = {"model": CHAT, "messages": [{"role": "user", "content": "a b"}], "max_tokens": 5}
        async with httpx.AsyncClient(base_url=self.said["url"], headers=headers) as http:
            return await http.post("/v1/chat/completions", json=body)


@asynccontextmanager
async def started(data_dir: Path, upstream: FakeUpstream) -> AsyncIterator[Running]:
    environment = {
        **os.environ,
        "MAAS_DATA_DIR": str(data_dir),
        "MAAS_SERVING_URL": upstream.url,
        "MAAS_PORT": str(free_port()),
        "MAAS_WORKERS": "2",
    }
    environment.pop("MAAS_DATABASE_URL", None)
    process = await asyncio.create_subprocess_exec(
        MAAS, "up", "--json", env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    said: dict[str, Any] = {}
    while said.get("stage") != "ready":
        said = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
    yield Running(process, environment, said)
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), 30)


@pytest.fixture
async def running(data_dir: Path, upstream: FakeUpstream) -> AsyncIterator[Running]:
    async with started(data_dir, upstream) as one:
        yield one


@pytest.fixture(scope="class")
async def lasting() -> AsyncIterator[Running]:
    """One for all tests of a class, which make accounts of their own in it."""
    with tempfile.TemporaryDirectory(prefix="maas-test-") as folder:
        async with run_fake_upstream() as upstream, started(Path(folder), upstream) as one:
            yield one


class TestUp:
    async def test_from_nothing_to_a_bill_and_back_to_nothing(self, running: Running) -> None:
        answer = await running.chat()
        assert answer.status_code == 200
        code, rows = await running.maas("usage")
        assert code == 0
        # 2 x 500 + 5 x 2000 = 11,000 nano-yuan.
        assert [(row["settlement"], row["cost"]) for row in rows] == [("complete", "0.000011000")]
        family = psutil.Process(running.process.pid).children(recursive=True)
        assert family
        running.process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(running.process.wait(), 30) == 0
        _, alive = await asyncio.to_thread(psutil.wait_procs, family, 1)
        assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []

    async def test_a_second_one_says_what_runs(self, running: Running) -> None:
        code, said = await running.maas("up")
        assert code == 1
        assert said["error"]["code"] == "already_running"
        assert running.said["url"] in said["error"]["message"]

    async def test_the_port_of_another_program(self, running: Running, tmp_path: Path) -> None:
        environment = {**running.environment, "MAAS_DATA_DIR": str(tmp_path)}
        code, said = await run(environment, "up", "--json")
        assert (code, said["error"]["code"]) == (1, "port_taken")

    async def test_killing_it_leaves_no_gateway(self, running: Running) -> None:
        gateways = [
            child
            for child in psutil.Process(running.process.pid).children(recursive=True)
            if "postgres" not in child.name()
        ]
        assert gateways
        running.process.kill()
        await running.process.wait()
        _, alive = await asyncio.to_thread(psutil.wait_procs, gateways, 15)
        assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []
        # The next one takes over the database that was left running, and stops it in the end.
        code, rows = await running.maas("usage")
        assert (code, rows) == (0, [])
        directory = running.environment["MAAS_DATA_DIR"]
        for process in psutil.process_iter(["cmdline"]):
            assert f"{directory}/postgres" not in (process.info["cmdline"] or [])

    async def test_a_gateway_that_dies_ends_it(self, running: Running) -> None:
        gateway = psutil.Process(running.process.pid).children()[0]
        gateway.kill()
        assert await asyncio.wait_for(running.process.wait(), 30) == 1


class TestSuggestedCommands:
    async def test_the_suggested_account_exists(
        self, data_dir: Path, upstream: FakeUpstream
    ) -> None:
        environment = {**os.environ, "MAAS_DATA_DIR": str(data_dir)}
        environment.pop("MAAS_DATABASE_URL", None)
        assert (await run(environment, "accounts", "create", "Acme Precision", "--json"))[0] == 0
        async with started(data_dir, upstream) as running:
            assert running.said["account"] == "Acme Precision"
            code, made = await running.maas("keys", "create", running.said["account"])
            assert (code, made["secret"][:5]) == (0, "maas_")

    def test_a_person_is_shown_the_name_as_the_shell_needs_it(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Terminal(False).ready("http://127.0.0.1:1", None, "m", "Acme's 精密")
        told = capsys.readouterr().out
        assert "keys create " + shlex.quote("Acme's 精密") in told
        assert "create demo" not in told


class TestFirstPerson:
    async def test_a_link_until_there_is_one(
        self, running: Running, data_dir: Path, upstream: FakeUpstream
    ) -> None:
        link = running.said["sign_in"]
        assert link.startswith(f"{running.said['url']}/dashboard/invitation/")
        running.process.send_signal(signal.SIGINT)
        await asyncio.wait_for(running.process.wait(), 30)
        async with started(data_dir, upstream) as again:
            assert again.said["api_key"] is None
            assert again.said["sign_in"] not in (None, link)


class TestCommands:
    async def test_accounts_and_keys(self, lasting: Running) -> None:
        _, account = await lasting.maas("accounts", "create", "Weld & Co", "--currency", "usd")
        assert account["currency"] == "USD"
        code, refused = await lasting.maas("accounts", "create", "Weld & Co")
        assert (code, refused["error"]["code"]) == (1, "account_name_taken")
        _, key = await lasting.maas("keys", "create", account["id"], "--name", "line 1")
        _, fresh = await lasting.maas("keys", "rotate", account["id"], key["id"])
        assert fresh["secret"] != key["secret"]
        _, old = await lasting.maas("keys", "revoke", "Weld & Co", key["id"])
        assert old["revoked_at"]
        _, listed = await lasting.maas("keys", "list", account["id"])
        assert [row["id"] for row in listed] == [key["id"], fresh["id"]]
        assert key["secret"] not in json.dumps(listed)
        _, accounts = await lasting.maas("accounts", "list")
        assert {"demo", "Weld & Co"} <= {row["name"] for row in accounts}

    async def test_a_revoked_key_stops(self, lasting: Running) -> None:
        _, keys = await lasting.maas("keys", "list", "demo")
        assert (await lasting.chat()).status_code == 200
        await lasting.maas("keys", "revoke", "demo", keys[0]["id"])
        await asyncio.sleep(1.0)
        assert (await lasting.chat()).json()["error"]["code"] == "api_key_revoked"

    async def test_wrong_arguments_are_facts(self, lasting: Running) -> None:
        for arguments, code in (
            (("keys", "list", "nobody"), "account_not_found"),
            (("keys", "revoke", "demo", "x"), "key_not_found"),
            (("keys", "revoke", "demo", "key_" + "0" * 32), "key_not_found"),
            (("accounts", "create", " "), "account_name_invalid"),
            (("accounts", "create", "a\x07b"), "account_name_invalid"),
            (("usage", "--account", "nobody"), "account_not_found"),
        ):
            exit_code, said = await lasting.maas(*arguments)
            assert (exit_code, said["error"]["code"]) == (1, code)

    async def test_models(self, lasting: Running) -> None:
        _, models = await lasting.maas("models")
        assert CHAT in {model["id"] for model in models}
