"""A decision whose model cannot be reached is answered and billed as that of its fallback."""

import socket
from pathlib import Path

from tests.gateway.inference.decisions.asking import CHANCES, FAILS, LEAK, decide, fields, readings
from tests.support import builders
from tests.support.builders import CHAT, SPECIALIST, run_gateway
from tests.support.fakes.first_tokens import choosing
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.choices import SWIFT, two
from tests.support.gateway.faults import nothing_is_held


async def test_fallback_answers_with_the_specialist_once(
    database_url: str, tmp_path: Path, upstream: FakeUpstream
) -> None:
    upstream.chances = choosing(CHANCES)
    upstream.predicts = {"failure_probability": 0.75, "failure": 1}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = f"http://127.0.0.1:{listener.getsockname()[1]}"
    configured = builders.settings(database_url, tmp_path, f"{CHAT}={dead},{upstream.url}")
    async with run_gateway(configured, catalog=two()) as gateway:
        decision = await decide(gateway, FAILS, LEAK, model="auto", input=readings())
        assert decision.model == SWIFT
        assert [fields(one)["source"]["model"] for one in decision.answers] == [SPECIALIST, SWIFT]
        rows = {row["operation"]: row for row in await gateway.rows(2)}
        assert rows["decisions"]["model"] == SWIFT
        assert rows["predictions"]["rows"] == 1
        await nothing_is_held(gateway)
