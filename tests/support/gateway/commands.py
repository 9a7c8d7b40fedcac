"""`maas` commands for tests: on the test's database, with JSON or text output."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import gateway.cli.runner
from gateway.cli.main import build_app
from tests.support.stories.story import Firm

PLAIN = """
plan = "plain"
names = { en = "Plain", zh = "普通版" }
currency = "CNY"
fixed_fee = "310.00"
list_prices = true
"""


def leave_logs_alone(patched: pytest.MonkeyPatch) -> None:
    """What is configured for the whole process is none of a test's business: the next test would
    write its events into the folder of this one."""
    patched.setattr(gateway.cli.runner, "configure_logging", lambda _level: None)
    patched.setattr(gateway.cli.runner, "write_money_log_to", lambda _file: None)


async def invoke(environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """Run the command in this process; returns exit code and output."""
    # In a thread: the command runs an event loop of its own.
    done = await asyncio.to_thread(
        CliRunner().invoke, build_app(), list(arguments), env=dict(environment)
    )
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout


@dataclass
class Maas:
    """The command on a test's database. `firm` is an account named Acme."""

    environment: Mapping[str, str]
    firm: Firm
    folder: Path

    async def say(self, *arguments: str) -> Any:
        """The JSON output; the exit code must be 0."""
        code, out = await self.run(*arguments, "--json")
        assert code == 0, out
        return json.loads(out)

    async def tell(self, *arguments: str) -> str:
        """The text output; the exit code must be 0."""
        code, out = await self.run(*arguments)
        assert code == 0, out
        return out

    async def refuse(self, *arguments: str) -> str:
        """The error code of a failing command."""
        code, out = await self.run(*arguments, "--json")
        assert code == 1, out
        told: str = json.loads(out)["error"]["code"]
        return told

    async def run(self, *arguments: str) -> tuple[int, str]:
        return await invoke(self.environment, *arguments)

    async def publish(self, name: str, toml: str) -> Any:
        file = self.folder / f"{name}.toml"
        file.write_text(toml, encoding="utf-8")
        return await self.say("plans", "publish", str(file))
